//! The clusters.
//!
//! | cluster | for |
//! |---|---|
//! | `table()` | the case table, which needs a cluster without any other node or policy |
//! | `shared()` | tests that keep to namespaces and countries of their own, all at once, with one operator |
//! | `alone()` | tests that kill the operator, one at a time, each with an operator of its own |
//! | `audited()` | tests that look at what the operator asks for, of which the API server keeps a record |
//! | `restarted()` | the same for tests that stop the API server, of which controllers take long to recover |

use std::path::Path;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, documents, reference};
use crate::harness::{Binaries, ControlPlane, Node, Options, Output};
use crate::operator::{Operator, Setup};
use crate::poll::{PATIENCE, until, yes};

pub const REGION: &str = "topology.kubernetes.io/region";
pub const ZONE: &str = "topology.kubernetes.io/zone";
pub const COUNTRY: &str = "domicile.node-restriction.kubernetes.io/country";
pub const OURS: &str = "domicile.dev/v1alpha1";

/// A control plane with our kinds and the operator's account.
pub struct Plane {
    pub control: ControlPlane,
    /// As administrator.
    pub admin: Client,
    /// How to start the operator.
    pub operator: Setup,
}

static BINARIES: LazyLock<Binaries> =
    LazyLock::new(|| Binaries::ensure(&mut |line| eprintln!("{line}")).expect("the control plane's programs"));

impl Plane {
    fn start(label_grace_seconds: u64) -> Self {
        Self::start_with(label_grace_seconds, Options::default())
    }

    fn start_with(label_grace_seconds: u64, options: Options) -> Self {
        let control = ControlPlane::start(&BINARIES, options).unwrap();
        define(&control);
        permit(&control);
        let account = control.kubeconfig_for_service_account("domicile-system", "domicile").unwrap();
        let operator = Setup::new(account, control.work_dir(), label_grace_seconds);
        let admin = Client::new(control.kubeconfig());
        Self { control, admin, operator }
    }

    /// Creates everything in a YAML text, in its order.
    #[track_caller]
    pub fn create(&self, yaml: &str) {
        for manifest in documents(yaml) {
            let answer = self.admin.create(&manifest);
            assert!(answer.code < 300, "{}: {}", manifest, answer.body);
        }
    }

    /// A namespace in which pods can be created.
    pub fn namespace(&self, name: &str, labels: &Value) {
        let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        self.admin.create(&manifest).ok();
        self.accounts(name);
    }

    /// Waits for the service account without which admission refuses every pod.
    pub fn accounts(&self, namespace: &str) {
        until("the namespace has its service account", PATIENCE, || {
            self.admin.get(&reference("v1", "ServiceAccount", namespace, "default")).ok_or(namespace)
        });
    }

    /// Waits until the API server asks about a store's namespace.
    pub fn enforced(&self, namespace: &str, store: &str) {
        until("the store is enforced", PATIENCE, || {
            let store = self.admin.get(&reference(OURS, "DataStore", namespace, store)).ok_or("no store")?;
            yes(condition(&store, "Enforced")["status"] == "True", &store["status"])
        });
    }

    /// The country label of a node.
    pub fn country(&self, node: &str) -> Option<String> {
        let node = self.admin.get(&reference("v1", "Node", "", node)).expect("the node");
        node["metadata"]["labels"][COUNTRY].as_str().map(str::to_owned)
    }

    /// Waits for the country label of a node.
    #[track_caller]
    pub fn labelled(&self, node: &str, country: Option<&str>) {
        until("the node carries its country label", PATIENCE, || {
            let label = self.country(node);
            if label.as_deref() == country { Ok(()) } else { Err(format!("{node}: {label:?} is not {country:?}")) }
        });
    }
}

/// Installs our kinds.
pub fn define(control: &ControlPlane) {
    let mut definitions = String::new();
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("crds")).unwrap() {
        definitions.push_str("---\n");
        definitions.push_str(&std::fs::read_to_string(file.unwrap().path()).unwrap());
    }
    control.apply(&definitions).unwrap();
    // kubectl fails for one that has no conditions at all yet.
    until("every kind is served", PATIENCE, || {
        let wait = ["wait", "--for=condition=Established", "crds", "--all", "--timeout=30s"];
        control.kubectl_output(&wait).and_then(Output::success).map_err(|error| error.to_string())
    });
}

/// Installs the operator's account with what it may do.
pub fn permit(control: &ControlPlane) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/install/rbac.yaml");
    control.apply(&std::fs::read_to_string(file).unwrap()).unwrap();
}

/// Both webhook configurations, if they are there.
pub fn configurations(admin: &Client) -> Vec<Value> {
    let named = |kind| reference("admissionregistration.k8s.io/v1", kind, "", "domicile");
    let both = ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"];
    both.into_iter().filter_map(|kind| admin.get(&named(kind))).collect()
}

/// A condition of an object; null if it is not there.
pub fn condition(object: &Value, kind: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default()
}

/// A pod that runs anywhere, with more in its specification.
pub fn pod(namespace: &str, name: &str, labels: &Value, spec: Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            // The name of its volume would be made up at random.
            "automountServiceAccountToken": false,
            "containers": [{"name": "app", "image": "example.org/app:1"}],
        },
    });
    if let Value::Object(more) = spec {
        manifest["spec"].as_object_mut().unwrap().extend(more);
    }
    manifest
}

/// A node of AWS in a zone like `eu-central-1a`, and what its region label says.
pub fn machine(name: &str, zone: &str, region: &str) -> Node {
    let labelled_zone = format!("{region}{}", &zone[zone.len() - 1..]);
    Node::new(name).label(REGION, region).label(ZONE, labelled_zone).provider(format!("aws:///{zone}/i-0{name}"))
}

/// A cluster of many tests.
pub struct Shared {
    pub plane: Plane,
    /// Alive as long as the program.
    _operator: Operator,
    /// What the API server stored of `plain_pod` before the operator came.
    pub before: Value,
}

/// A pod that is none of the operator's business.
pub fn plain_pod(name: &str) -> Value {
    let terms = json!([
        {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]},
        {"matchExpressions": [{"key": REGION, "operator": "In", "values": ["us-east-1"]}]},
    ]);
    let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
    pod("untouched", name, &json!({"app": "web"}), json!({"affinity": {"nodeAffinity": required}}))
}

/// What the API server keeps of an object, without what differs between any two.
pub fn stored(answer: &Value) -> Value {
    let mut object = answer.clone();
    let metadata = object["metadata"].as_object_mut().unwrap();
    for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields", "name"] {
        metadata.remove(field);
    }
    object
}

pub fn shared() -> &'static Shared {
    static SHARED: LazyLock<Shared> = LazyLock::new(|| {
        let plane = Plane::start(30);
        plane.namespace("untouched", &json!({}));
        let before = stored(&plane.admin.create(&plain_pod("before")).ok());
        let nodes = [
            machine("fra-1", "eu-central-1a", "eu-central-1"),
            machine("fra-2", "eu-central-1b", "eu-central-1"),
            machine("fra-tainted", "eu-central-1c", "eu-central-1"),
            machine("liar", "us-east-1a", "eu-central-1"),
            machine("par-1", "eu-west-3a", "eu-west-3"),
            machine("par-2", "eu-west-3b", "eu-west-3"),
            machine("iad-1", "us-east-1a", "us-east-1"),
            machine("iad-2", "us-east-1b", "us-east-1"),
            machine("iad-tainted", "us-east-1c", "us-east-1"),
            Node::new("msk-1").label(REGION, "ru-central1").label(ZONE, "ru-central1-a").provider("yandex://fhm1"),
            Node::new("msk-2").label(REGION, "ru-central1").label(ZONE, "ru-central1-b").provider("yandex://fhm2"),
        ];
        plane.control.add_nodes(&nodes).unwrap();
        for node in ["fra-tainted", "iad-tainted"] {
            let taint = json!({"spec": {"taints": [{"key": "dedicated", "value": "cx", "effect": "NoSchedule"}]}});
            plane.admin.patch(&reference("v1", "Node", "", node), &taint).ok();
        }
        let operator = Operator::started(&plane.operator);
        Shared { plane, _operator: operator, before }
    });
    &SHARED
}

/// A cluster for one test at a time, without an operator.
pub fn alone() -> MutexGuard<'static, Plane> {
    static ALONE: LazyLock<Mutex<Plane>> = LazyLock::new(|| Mutex::new(Plane::start(2)));
    // What a failed test leaves behind stands in namespaces of its own.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A cluster for one test at a time that stops the API server, without an operator.
pub fn restarted() -> MutexGuard<'static, Plane> {
    static RESTARTED: LazyLock<Mutex<Plane>> = LazyLock::new(|| Mutex::new(Plane::start(2)));
    RESTARTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A control plane with nothing of ours in it.
pub fn bare(options: Options) -> ControlPlane {
    ControlPlane::start(&BINARIES, options).unwrap()
}

/// A cluster that keeps a record of what the operator asks for, and the folder where that is, as `audit.log`.
pub fn audited() -> (Plane, TempDir) {
    const POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
rules: [{level: Metadata, users: ['system:serviceaccount:domicile-system:domicile']}]
";
    let folder = tempfile::tempdir().unwrap();
    let (policy, log) = (folder.path().join("audit.yaml"), folder.path().join("audit.log"));
    std::fs::write(&policy, POLICY).unwrap();
    let options = Options::default()
        .apiserver_arg(format!("--audit-policy-file={}", policy.display()))
        .apiserver_arg(format!("--audit-log-path={}", log.display()));
    (Plane::start_with(2, options), folder)
}

/// The cluster of the case table. The volume of one case may fit the claim of another.
pub fn table() -> Plane {
    Plane::start_with(30, Options::default().unbound())
}
