//! Requests by which personal data would leave its country, by every path that leads out of a namespace: what is asked, how
//! it is asked, and which line of defence is to refuse it.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use super::compiled::{claim, class, wanted};
use crate::client::{Answer, Client, path_of, reference};
use crate::operator::Operator;
use crate::plane::{COUNTRY, OURS, Plane, REGION, ZONE, machine, pod};
use crate::poll::{PATIENCE, until, yes};

/// The line that a request must not pass.
pub type Line = &'static str;
/// Whatever is not decided by a generated policy, with the operator dead.
pub const WEBHOOK: Line = "failed calling webhook";
/// Every generated policy that is to refuse something here.
pub const POLICIES: [Line; 10] = [
    "domicile-pods.hu",
    "domicile-pods.object.hu",
    "domicile-claims.hu",
    "domicile-claims.object.hu",
    "domicile-bindings.hu",
    "domicile-reach.hu",
    "domicile-guard-namespaces",
    "domicile-guard-rules",
    "domicile-guard-webhooks",
    "domicile-guard-labels",
];

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
/// Where Hungarian data is.
pub const NAMESPACE: &str = "drill";
/// Where no data is but what objects say of themselves.
pub const ELSEWHERE: &str = "drill-elsewhere";
/// Somebody who may do everything but declassify and govern.
pub const SOMEBODY: (&str, &[&str]) = ("somebody", &["system:authenticated"]);

/// One request.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What has to refuse it.
    pub line: Line,
    method: &'static str,
    path: String,
    content: &'static str,
    body: Value,
    by: Option<(&'static str, &'static [&'static str])>,
}

impl Attempt {
    fn new(line: Line, method: &'static str, path: String, body: Value) -> Self {
        Self { line, method, path, content: "application/json", body, by: None }
    }

    fn create(line: Line, manifest: &Value) -> Self {
        let path = path_of(manifest);
        let collection = path.rsplit_once('/').map_or(path.as_str(), |(collection, _)| collection).to_owned();
        Self::new(line, "POST", collection, manifest.clone())
    }

    fn by_somebody(self) -> Self {
        Self { by: Some(SOMEBODY), ..self }
    }

    fn query(mut self, query: &str) -> Self {
        self.path += if self.path.contains('?') { "&" } else { "?" };
        self.path += query;
        self
    }

    /// The same request without a lasting effect; connections never have one.
    pub fn dry(&self) -> Self {
        let connects = ["/exec", "/attach", "/portforward", "/proxy"].iter().any(|way| self.path.contains(way));
        if connects || self.path.contains("dryRun") { self.clone() } else { self.clone().query("dryRun=All") }
    }

    /// Sends it.
    pub fn send(&self, client: &Client) -> Answer {
        client.send_all(self.method, &self.path, self.content, &self.body, self.by)
    }

    /// The line that refused, by what the answer names; none: it was let through, or failed otherwise.
    pub fn refused_by(&self, answer: &Answer) -> Option<Line> {
        let message = answer.message();
        let names_policy =
            message.contains("ValidatingAdmissionPolicy") && message.contains(&format!("'{}'", self.line));
        match answer.code {
            403 if names_policy => Some(self.line),
            500 if message.contains(WEBHOOK) && message.contains(".domicile.dev") => Some(WEBHOOK),
            _ => None,
        }
    }
}

/// What the attempts are about: nodes, classes and volumes in Germany and abroad, a namespace with Hungarian data, which may
/// be in Germany, and some objects in it.
pub fn world(plane: &Plane) -> Operator {
    let admin = &plane.admin;
    let nodes = [
        machine("drill-fra", "eu-central-1a", "eu-central-1").label("kubernetes.io/hostname", "drill-fra"),
        machine("drill-iad", "us-east-1a", "us-east-1").label("kubernetes.io/hostname", "drill-iad"),
    ];
    // Another test may have made all of it.
    if admin.get(&reference("v1", "Node", "", "drill-fra")).is_none() {
        plane.control.add_nodes(&nodes).unwrap();
    }
    for (name, region) in [("drill-de", "eu-central-1"), ("drill-us", "us-east-1")] {
        ensure(admin, &class(name, region));
    }
    let mut anywhere = class("drill-any", "");
    anywhere.as_object_mut().unwrap().remove("allowedTopologies");
    ensure(admin, &anywhere);
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "drill-us"},
        "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "drill-de",
            "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-0drill"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [wanted(REGION, &["us-east-1"])]}},
        },
    });
    ensure(admin, &volume);
    let policy = json!({
        "apiVersion": OURS, "kind": "ResidencyPolicy", "metadata": {"name": "drill"},
        "spec": {
            "match": {"origins": ["HU"]}, "residence": {"Process": ["DE", "HU"], "Store": ["DE", "HU"], "Access": ["DE", "HU"]},
            "access": [{"groups": ["drill-support"], "from": ["HU"]}],
        },
    });
    ensure(admin, &policy);
    permit(admin);
    let operator = Operator::started(&plane.operator);
    for (name, labels) in [(NAMESPACE, json!({"domicile.dev/origin": "HU"})), (ELSEWHERE, json!({}))] {
        ensure(admin, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}));
        plane.accounts(name);
    }
    plane.labelled("drill-fra", Some("DE"));
    plane.labelled("drill-iad", Some("US"));
    super::compiled::compiled(plane, "HU");
    let by_hand = json!({"schedulerName": "nobody"});
    ensure(admin, &pod(NAMESPACE, "held", &json!({}), by_hand.clone()));
    ensure(admin, &pod(ELSEWHERE, "held", &json!({"domicile.dev/origin": "HU"}), by_hand));
    until("the guards are in force", PATIENCE, || {
        let answer = relabelled("").dry().send(admin);
        yes(answer.code == 403 && answer.message().contains("domicile-guard-namespaces"), answer.body)
    });
    operator
}

fn ensure(admin: &Client, manifest: &Value) {
    let answer = admin.create(manifest);
    assert!(answer.code < 300 || answer.code == 409, "{manifest}: {}", answer.body);
}

/// Lets somebody do everything that the guards are to keep from them, and nothing more.
fn permit(admin: &Client) {
    let rules = json!([
        {"apiGroups": ["", "apps"], "resources": ["*"], "verbs": ["get", "create", "update", "patch", "delete"]},
        {"apiGroups": ["domicile.dev", "admissionregistration.k8s.io"], "resources": ["*"], "verbs": ["get", "create", "update", "patch", "delete"]},
    ]);
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "drill"}, "rules": rules,
    });
    ensure(admin, &role);
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "drill"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "drill"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": SOMEBODY.0}],
    });
    ensure(admin, &binding);
}

/// Constraints that lead abroad, or may.
pub fn abroad() -> impl Strategy<Value = Value> {
    let terms = |terms: Value| json!({"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}}});
    let place = prop::sample::select(vec![
        (COUNTRY, "US"),
        (COUNTRY, "FR"),
        (REGION, "us-east-1"),
        (REGION, "nobody-knows"),
        (ZONE, "us-east-1a"),
        ("kubernetes.io/hostname", "drill-iad"),
    ]);
    let home = prop::sample::select(vec![(COUNTRY, "DE"), (REGION, "eu-central-1"), (ZONE, "eu-central-1a")]);
    let node = prop::sample::select(vec!["drill-iad", "drill-nobody-knows"]);
    prop_oneof![
        3 => place.clone().prop_map(|(key, value)| json!({"nodeSelector": {key: value}})),
        2 => node.clone().prop_map(|node| json!({"nodeName": node})),
        3 => place.clone().prop_map(move |(key, value)| terms(json!([wanted(key, &[value])]))),
        // Any term is enough for the scheduler, and one leads abroad.
        3 => (home.clone(), place.clone()).prop_map(move |((one, inside), (key, value))| {
            terms(json!([wanted(one, &[inside]), wanted(key, &[value])]))
        }),
        2 => (home.clone(), place.clone()).prop_map(move |((one, inside), (key, value))| {
            if one == key { terms(json!([wanted(key, &[inside, value])])) } else { terms(json!([wanted(key, &[value])])) }
        }),
        1 => (home, place).prop_map(move |((one, inside), (key, value))| {
            let not = json!({"matchExpressions": [{"key": one, "operator": "NotIn", "values": [inside]}]});
            terms(json!([not, wanted(key, &[value])]))
        }),
        1 => node.prop_map(move |node| {
            terms(json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]))
        }),
    ]
}

/// Constraints that lead home.
pub fn home() -> impl Strategy<Value = Value> {
    let place = prop::sample::select(vec![(COUNTRY, "DE"), (REGION, "eu-central-1"), (ZONE, "eu-central-1a")]);
    (place, any::<bool>()).prop_map(|((key, value), selects)| {
        if selects {
            return json!({"nodeSelector": {key: value}});
        }
        json!({"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [wanted(key, &[value])]}}}})
    })
}

/// What changes nothing about where a pod runs.
pub fn noise() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => Just(json!({})),
        1 => Just(json!({"spec": {"hostNetwork": true}})),
        1 => Just(json!({"spec": {"tolerations": [{"operator": "Exists"}]}})),
        1 => Just(json!({"spec": {"schedulerName": "somebody-elses"}})),
        1 => Just(json!({"spec": {"schedulingGates": [{"name": "example.org/later"}]}})),
        1 => Just(json!({"spec": {"initContainers": [{"name": "first", "image": "example.org/first:1"}]}})),
        1 => Just(json!({"metadata": {"annotations": {"domicile.dev/origin": "DE", "team": "cx"}}})),
        1 => Just(json!({"metadata": {"labels": {"app": "answers", COUNTRY: "DE"}}})),
        1 => Just(json!({"metadata": {"ownerReferences": [{
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "answers", "controller": true,
            "uid": "6f4ae1f5-7f0e-4b65-9a3e-d1b0c6a1f0aa",
        }]}})),
        1 => Just(json!({"metadata": {"finalizers": ["example.org/keep"]}})),
    ]
}

/// Ways to create an object.
#[derive(Debug, Clone, Copy)]
enum How {
    Post,
    Dry,
    GeneratedName,
    Apply,
    Strict,
}

fn how() -> impl Strategy<Value = How> {
    prop::sample::select(vec![How::Post, How::Dry, How::GeneratedName, How::Apply, How::Strict])
}

fn created(line: Line, mut manifest: Value, how: How) -> Attempt {
    match how {
        How::Post => Attempt::create(line, &manifest),
        How::Dry => Attempt::create(line, &manifest).query("dryRun=All"),
        How::Strict => Attempt::create(line, &manifest).query("fieldValidation=Strict&fieldManager=drill"),
        How::GeneratedName => {
            let attempt = Attempt::create(line, &manifest);
            let metadata = manifest["metadata"].as_object_mut().unwrap();
            let name = metadata.remove("name").unwrap();
            metadata.insert("generateName".to_owned(), format!("{}-", name.as_str().unwrap()).into());
            Attempt { body: manifest, ..attempt }
        }
        How::Apply => {
            let attempt =
                Attempt::new(line, "PATCH", path_of(&manifest), manifest).query("fieldManager=drill&force=true");
            Attempt { content: "application/apply-patch+yaml", ..attempt }
        }
    }
}

fn pods() -> impl Strategy<Value = Attempt> {
    (abroad(), noise(), how(), any::<bool>(), any::<u32>()).prop_map(|(spec, noise, how, elsewhere, number)| {
        let (line, namespace, labels) = if elsewhere {
            ("domicile-pods.object.hu", ELSEWHERE, json!({"domicile.dev/origin": "HU"}))
        } else {
            ("domicile-pods.hu", NAMESPACE, json!({}))
        };
        let mut manifest = pod(namespace, &format!("leak-{number:x}"), &labels, spec);
        json_patch::merge(&mut manifest, &noise);
        if manifest["spec"]["nodeName"].is_string() {
            // The API server takes no pod that is both bound and held back.
            manifest["spec"].as_object_mut().unwrap().remove("schedulingGates");
        }
        created(line, manifest, how)
    })
}

fn claims() -> impl Strategy<Value = Attempt> {
    let spec = prop::sample::select(vec![
        json!({"storageClassName": "drill-us"}),
        json!({"storageClassName": "drill-nobody-knows"}),
        json!({"storageClassName": ""}),
        json!({"storageClassName": "drill-de", "volumeName": "drill-us"}),
        json!({"storageClassName": "", "volumeName": "drill-nobody-knows"}),
        json!({"storageClassName": "drill-us", "volumeMode": "Block"}),
        json!({"storageClassName": "drill-us", "selector": {"matchLabels": {"disk": "ssd"}}}),
        json!({"storageClassName": "drill-de", "volumeAttributesClassName": "drill-nobody-knows"}),
    ]);
    (spec, how(), any::<bool>(), any::<u32>()).prop_map(|(spec, how, elsewhere, number)| {
        let (line, namespace) =
            if elsewhere { ("domicile-claims.object.hu", ELSEWHERE) } else { ("domicile-claims.hu", NAMESPACE) };
        let mut manifest = claim(namespace, &format!("leak-{number:x}"), &spec);
        if elsewhere {
            manifest["metadata"]["labels"] = json!({"domicile.dev/origin": "HU"});
        }
        created(line, manifest, how)
    })
}

fn bindings() -> impl Strategy<Value = Attempt> {
    let node = prop::sample::select(vec!["drill-iad", "drill-nobody-knows", "drill-fra"]);
    (node, any::<bool>()).prop_map(|(node, labels)| {
        let mut binding = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": {"name": "held"},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        });
        // A binding sets the labels of its pod, and with them its scope.
        if labels || node == "drill-fra" {
            binding["metadata"]["labels"] = json!({"domicile.dev/origin": "US"});
        }
        // Where the pod is named only within, nobody sees which one it is.
        let legacy = labels && node == "drill-nobody-knows";
        let path = if legacy { "bindings" } else { "pods/held/binding" };
        Attempt::new("domicile-bindings.hu", "POST", format!("/api/v1/namespaces/{NAMESPACE}/{path}"), binding)
    })
}

fn connections() -> impl Strategy<Value = Attempt> {
    let way = prop::sample::select(vec![
        "exec?command=true&stdout=true",
        "attach?stdout=true",
        "portforward?ports=80",
        "proxy",
    ]);
    let group = prop::sample::select(vec![&["drill-others", "system:masters"][..], &["system:masters"][..]]);
    (way, prop::sample::select(vec!["GET", "POST"]), group).prop_map(|(way, method, groups)| {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/held/{way}");
        Attempt { by: Some(("alice", groups)), ..Attempt::new("domicile-reach.hu", method, path, Value::Null) }
    })
}

fn patched(line: Line, object: &Value, patch: Value) -> Attempt {
    let attempt = Attempt::new(line, "PATCH", path_of(object), patch);
    Attempt { content: "application/merge-patch+json", ..attempt }
}

/// The namespace with another origin label, or none.
fn relabelled(value: &str) -> Attempt {
    let value = if value.is_empty() { Value::Null } else { value.into() };
    let patch = json!({"metadata": {"labels": {"domicile.dev/origin": value}}});
    patched("domicile-guard-namespaces", &reference("v1", "Namespace", "", NAMESPACE), patch).by_somebody()
}

/// What decides is changed by somebody who may not.
fn tampering() -> impl Strategy<Value = Attempt> {
    let policy = reference(OURS, "ResidencyPolicy", "", "drill");
    let rules = prop::sample::select(vec![
        Attempt::new("domicile-guard-rules", "DELETE", path_of(&policy), Value::Null),
        patched("domicile-guard-rules", &policy, json!({"spec": {"residence": {"Process": ["Anywhere"]}}})),
        patched("domicile-guard-rules", &policy, json!({"spec": {"mode": "Audit"}})),
        created(
            "domicile-guard-rules",
            json!({
                "apiVersion": OURS, "kind": "Location", "metadata": {"name": "drill"},
                "spec": {"country": "DE", "hosts": ["drill.example.com"]},
            }),
            How::Post,
        ),
    ]);
    let kind = prop::sample::select(vec!["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]);
    let webhooks = (kind, any::<bool>()).prop_map(|(kind, delete)| {
        let object = reference("admissionregistration.k8s.io/v1", kind, "", "domicile");
        if delete {
            Attempt::new("domicile-guard-webhooks", "DELETE", path_of(&object), Value::Null)
        } else {
            patched("domicile-guard-webhooks", &object, json!({"webhooks": []}))
        }
    });
    let labels = prop::sample::select(vec![Value::Null, json!("US"), json!("DE")]).prop_map(|value| {
        let patch = json!({"metadata": {"labels": {"domicile.dev/origin": value}}});
        patched("domicile-guard-labels", &reference("v1", "Pod", ELSEWHERE, "held"), patch)
    });
    let namespaces = prop::sample::select(vec!["", "US", "DE", "HU.DE"]).prop_map(relabelled);
    prop_oneof![
        namespaces,
        rules.prop_map(Attempt::by_somebody),
        webhooks.prop_map(Attempt::by_somebody),
        labels.prop_map(Attempt::by_somebody),
    ]
}

/// What no generated policy decides completely.
fn undecided() -> impl Strategy<Value = Attempt> {
    let env = |name: &str, value: &str| json!({"env": [{"name": name, "value": value}]});
    let told = prop::sample::select(vec![
        env("WAREHOUSE_URL", "https://warehouse.us-east-1.example.com"),
        env("SINK", "s3://answers-us"),
        json!({"args": ["--region=us-east-1"]}),
        json!({"command": ["sh", "-c", "curl https://api.example.com"]}),
        json!({"envFrom": [{"configMapRef": {"name": "sinks"}}]}),
    ]);
    let pods = (told.clone(), how(), any::<u32>()).prop_map(|(told, how, number)| {
        let mut manifest = pod(NAMESPACE, &format!("told-{number:x}"), &json!({}), json!({}));
        manifest["spec"]["containers"][0].as_object_mut().unwrap().extend(told.as_object().unwrap().clone());
        created(WEBHOOK, manifest, how)
    });
    let debugging = told.prop_map(|told| {
        let mut container = json!({"name": "debug", "image": "example.org/debug:1"});
        container.as_object_mut().unwrap().extend(told.as_object().unwrap().clone());
        let part = format!("{}/ephemeralcontainers", path_of(&reference("v1", "Pod", NAMESPACE, "held")));
        let patch = json!({"spec": {"ephemeralContainers": [container]}});
        Attempt { content: "application/strategic-merge-patch+json", ..Attempt::new(WEBHOOK, "PATCH", part, patch) }
    });
    // Data of somebody else, about whom nothing was compiled.
    let foreign = (how(), any::<u32>()).prop_map(|(how, number)| {
        let labels = json!({"domicile.dev/origin": "VA"});
        created(WEBHOOK, pod(NAMESPACE, &format!("foreign-{number:x}"), &labels, json!({})), how)
    });
    prop_oneof![3 => pods, 1 => debugging, 1 => foreign]
}

/// So many attempts, the same in every run.
pub fn all(count: usize, seed: u8) -> Vec<Attempt> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let any = prop_oneof![
        8 => pods(),
        4 => claims(),
        2 => bindings(),
        2 => connections(),
        3 => tampering(),
        3 => undecided(),
    ];
    (0..count).map(|_| any.new_tree(&mut runner).unwrap().current()).collect()
}
