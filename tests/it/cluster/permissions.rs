//! What the installed role grants: each permission is asked for, and without it something does not happen that the README
//! promises. The role for interpreted types is not tried type by type: it is generated from the catalogue.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::reports::{OPENREPORTS, WGPOLICY, serve};
use crate::client::{documents, reference};
use crate::operator::Operator;
use crate::plane::{COUNTRY, OURS, Plane, audited, condition, machine, pod};
use crate::poll::{PATIENCE, until, yes};

const USER: &str = "system:serviceaccount:domicile-system:domicile";
const HOME: &str = "domicile-system";
const RBAC: &str = "rbac.authorization.k8s.io/v1";
const HOOKS: &str = "admissionregistration.k8s.io/v1";

/// One verb on one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Permission {
    verb: String,
    group: String,
    resource: String,
    names: Vec<String>,
    /// Whether it holds in the operator's own namespace only.
    at_home: bool,
}

impl Permission {
    fn rule(&self) -> Value {
        let mut rule = json!({"apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb]});
        if !self.names.is_empty() {
            rule["resourceNames"] = json!(self.names);
        }
        rule
    }

    fn key(&self) -> (String, String, String) {
        (self.verb.clone(), self.group.clone(), self.resource.clone())
    }
}

/// The rules of both roles of the operator, one by one.
fn granted() -> Vec<Permission> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/install/rbac.yaml");
    let objects = documents(&std::fs::read_to_string(file).unwrap());
    let roles = objects.iter().filter(|one| {
        ["ClusterRole", "Role"].iter().any(|kind| one["kind"] == *kind) && one["metadata"]["name"] == "domicile"
    });
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let mut all = Vec::new();
    for role in roles {
        for rule in role["rules"].as_array().unwrap() {
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    for verb in texts(&rule["verbs"]) {
                        let (group, resource, names) = (group.clone(), resource.clone(), texts(&rule["resourceNames"]));
                        all.push(Permission { verb, group, resource, names, at_home: role["kind"] == "Role" });
                    }
                }
            }
        }
    }
    all
}

/// What the operator asked for, by the API server's own record: verb, group, resource, and whether it was refused.
fn asked(log: &Path) -> Vec<((String, String, String), bool)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let lines = std::fs::read_to_string(log).unwrap_or_default();
    let mut all = Vec::new();
    // The last line may still be in the making.
    for line in lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let object = &line["objectRef"];
        if line["user"]["username"] != USER || object["resource"].is_null() {
            continue;
        }
        let resource = match object["subresource"].as_str() {
            Some(part) => format!("{}/{part}", text(&object["resource"])),
            None => text(&object["resource"]),
        };
        let refused = line["responseStatus"]["code"] == 403;
        all.push(((text(&line["verb"]), text(&object["apiGroup"]), resource), refused));
    }
    all
}

fn certificate() -> Value {
    reference("v1", "Secret", HOME, "domicile-webhook-tls")
}

fn lease() -> Value {
    reference("coordination.k8s.io/v1", "Lease", HOME, "domicile")
}

/// A cluster whose operator may do what a test says.
struct Stage {
    plane: Plane,
    log: std::path::PathBuf,
    all: Vec<Permission>,
    counter: AtomicUsize,
}

impl Stage {
    /// Grants these permissions and no other, and waits until that holds.
    fn grant(&self, wanted: &[&Permission]) {
        for (kind, namespace, at_home) in [("ClusterRole", "", false), ("Role", HOME, true)] {
            let rules: Vec<Value> = wanted.iter().filter(|one| one.at_home == at_home).map(|one| one.rule()).collect();
            self.plane.admin.patch(&reference(RBAC, kind, namespace, "domicile"), &json!({"rules": rules})).ok();
        }
        for permission in &self.all {
            let allowed = wanted.contains(&permission);
            until("the permissions hold", PATIENCE, || yes(self.may(permission) == allowed, format!("{permission:?}")));
        }
    }

    fn may(&self, permission: &Permission) -> bool {
        let (resource, part) = permission.resource.split_once('/').unwrap_or((&permission.resource, ""));
        let attributes = json!({
            "verb": permission.verb, "group": permission.group, "resource": resource, "subresource": part,
            "name": permission.names.first(), "namespace": permission.at_home.then_some(HOME),
        });
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": USER, "resourceAttributes": attributes},
        });
        self.plane.admin.create(&review).ok()["status"]["allowed"] == true
    }

    fn everything(&self) {
        self.grant(&self.all.iter().collect::<Vec<_>>());
    }

    /// A name that was not there before.
    fn fresh(&self) -> String {
        format!("permissions-{}", self.counter.fetch_add(1, Ordering::Relaxed))
    }

    /// A namespace with a store of German data, of which the webhook configurations have to tell.
    fn namespace(&self) -> String {
        let name = self.fresh();
        self.plane.namespace(&name, &json!({}));
        let store = json!({
            "apiVersion": OURS, "kind": "DataStore", "metadata": {"name": "store", "namespace": name},
            "spec": {"origins": ["DE"], "workloads": {"selector": {}}},
        });
        self.plane.admin.create(&store).ok();
        name
    }

    /// Has a pod refused in a namespace, as soon as the operator is asked there.
    fn refusal(&self, namespace: &str) {
        let abroad = json!({"nodeSelector": {"topology.kubernetes.io/region": "us-east-2"}});
        let pod = pod(namespace, "abroad", &json!({}), abroad);
        until("the pod is refused", PATIENCE, || {
            let answer = self.plane.admin.create(&pod);
            if answer.code < 300 {
                self.plane.admin.delete(&pod);
            }
            yes(answer.refused_by_the_operator(), answer.body)
        });
    }

    /// Has a pod of a workload run in America that may not, by a policy that has it evicted, and returns how to see that it is
    /// there no more.
    fn run_abroad<'a>(&'a self) -> Box<dyn Fn() -> bool + 'a> {
        let (admin, name) = (&self.plane.admin, self.fresh());
        self.plane.namespace(&name, &json!({}));
        let inside = reference("v1", "Node", "", "fra-1");
        let cordon = |so: bool| admin.patch(&inside, &json!({"spec": {"unschedulable": so}})).ok();
        cordon(true);
        let labels = json!({"app": "web"});
        let mut workload = reference("apps/v1", "ReplicaSet", &name, "web");
        let template = pod(&name, "web", &labels, json!({}))["spec"].clone();
        workload["spec"] = json!({
            "replicas": 1, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": template},
        });
        admin.create(&workload).ok();
        let namespace = name.clone();
        let abroad = move || {
            let pods = admin.list("v1", "Pod", &namespace, "");
            pods.iter().any(|pod| pod["spec"]["nodeName"] == "iad-1")
        };
        until("the pod runs abroad", PATIENCE, || yes(abroad(), &name));
        cordon(false);
        let mut policy = reference(OURS, "ResidencyPolicy", "", "permissions-evict");
        policy["spec"] =
            json!({"match": {"origins": ["SE"]}, "residence": {"Process": ["DE"]}, "remediation": "Evict"});
        assert!([201, 409].contains(&admin.create(&policy).code), "there is one from then on");
        let mut store = reference(OURS, "DataStore", &name, "store");
        store["spec"] = json!({"origins": ["SE"], "workloads": {"selector": {}}});
        admin.create(&store).ok();
        Box::new(move || !abroad())
    }

    fn hooks(&self, kind: &str) -> Option<Value> {
        self.plane.admin.get(&reference(HOOKS, kind, "", "domicile"))
    }

    /// Provokes what a permission is for, and returns how to see that it happened, with its name.
    fn provoke<'a>(&'a self, permission: &Permission) -> (&'static str, Box<dyn Fn() -> bool + 'a>) {
        let admin = &self.plane.admin;
        let hook = |resource: &str| {
            if resource.starts_with("mutating") {
                "MutatingWebhookConfiguration"
            } else {
                "ValidatingWebhookConfiguration"
            }
        };
        let judged = move |object: Value, change: Value| {
            let generation = admin.patch(&object, &json!({"spec": change})).ok()["metadata"]["generation"].clone();
            Box::new(move || {
                let found = admin.get(&object).unwrap();
                condition(&found, "Ready")["observedGeneration"] == generation
            })
        };
        let described = || json!({"description": self.fresh()});
        match (permission.verb.as_str(), permission.resource.as_str()) {
            ("patch", "nodes") => {
                let label = json!({"metadata": {"labels": {COUNTRY: null}}});
                admin.patch(&reference("v1", "Node", "", "fra-1"), &label).ok();
                ("node country labels", Box::new(|| self.plane.country("fra-1").as_deref() == Some("DE")))
            }
            ("patch", "datastores/status") => {
                ("status of stores", judged(reference(OURS, "DataStore", "permissions", "answers"), described()))
            }
            ("patch", "dataflows/status") => {
                ("status of flows", judged(reference(OURS, "DataFlow", "permissions", "nightly"), described()))
            }
            ("patch", "residencypolicies/status") => {
                let neighbours = ["AT", "BE", "CZ", "DK", "FR", "LU", "NL", "PL"];
                let neighbour = neighbours[self.counter.fetch_add(1, Ordering::Relaxed) % neighbours.len()];
                let change = json!({"residence": {"Process": ["DE", neighbour]}});
                ("status of policies", judged(reference(OURS, "ResidencyPolicy", "", "permissions"), change))
            }
            ("patch", "residencyexceptions/status") => {
                let exception = reference(OURS, "ResidencyException", "permissions", "move");
                ("status of exceptions", judged(exception, json!({"reason": self.fresh()})))
            }
            ("create", "events") => {
                let namespace = self.namespace();
                self.refusal(&namespace);
                ("Events", Box::new(move || !self.events(&namespace).is_empty()))
            }
            ("patch", "events") => {
                let namespace = "permissions";
                self.refusal(namespace);
                self.refusal(namespace);
                let count = |one: &Value| one["series"]["count"].as_u64().unwrap_or_default();
                let most = move || self.events(namespace).iter().map(count).max().unwrap_or_default();
                let before = most();
                self.refusal(namespace);
                self.refusal(namespace);
                ("Events that count", Box::new(move || most() > before))
            }
            (verb, resource) if resource.ends_with("reports") => self.reports(verb, &permission.group, resource),
            (verb, resource) if resource.contains("admissionpolic") || resource == "networkpolicies" => {
                self.policies(verb, resource)
            }
            ("create", "pods/eviction") => ("pods abroad are evicted", self.run_abroad()),
            ("get", "clusterroles") => ("what is written has an owner", self.told("ValidatingWebhookConfiguration")),
            ("create", "secrets") => {
                self.remove(&certificate());
                ("a certificate is made", Box::new(|| admin.get(&certificate()).is_some()))
            }
            ("update", "secrets") if permission.names == ["domicile-evidence"] => {
                let kept = || {
                    let secret = admin.get(&reference("v1", "Secret", HOME, "domicile-evidence")).unwrap();
                    let data = secret["data"].as_object().unwrap().clone();
                    data.into_iter().filter(|(name, _)| name.starts_with("last.")).collect::<Vec<_>>()
                };
                let before = kept();
                self.refusal("permissions");
                ("it is kept how far the decision log has come", Box::new(move || kept() != before))
            }
            ("update", "secrets") => {
                // "garbage": no certificate can be read in it.
                const GARBAGE: &str = "Z2FyYmFnZQ==";
                admin.patch(&certificate(), &json!({"data": {"tls.crt": GARBAGE}})).ok();
                let whole = || admin.get(&certificate()).is_some_and(|secret| secret["data"]["tls.crt"] != GARBAGE);
                ("a certificate is renewed", Box::new(whole))
            }
            ("create", "leases") => {
                self.remove(&lease());
                ("somebody leads", Box::new(|| admin.get(&lease()).is_some()))
            }
            ("get" | "update", "leases") => {
                // A change by another hand, after which the record has to be read again.
                let now = admin.patch(&lease(), &json!({"metadata": {"labels": {"changed": self.fresh()}}})).ok();
                let renewed = now["spec"]["renewTime"].clone();
                let moves = move || admin.get(&lease()).is_some_and(|lease| lease["spec"]["renewTime"] != renewed);
                ("whoever leads goes on leading", Box::new(moves))
            }
            ("create", resource) => {
                let kind = hook(resource);
                self.remove(&reference(HOOKS, kind, "", "domicile"));
                self.namespace();
                ("the webhook is registered", Box::new(move || self.hooks(kind).is_some()))
            }
            ("patch", resource) => ("the webhook follows what is declared", self.told(hook(resource))),
            other => panic!("{other:?}: what is it for?"),
        }
    }

    /// Removes an object, which may be gone already.
    fn remove(&self, object: &Value) {
        assert!([200, 404].contains(&self.plane.admin.delete(object).code));
    }

    /// Declares something of which a webhook configuration has to tell, and returns how to see that it does.
    fn told<'a>(&'a self, kind: &'static str) -> Box<dyn Fn() -> bool + 'a> {
        let name = format!("\"{}\"", self.namespace());
        Box::new(move || self.hooks(kind).is_some_and(|one| one.to_string().contains(&name)))
    }

    /// The same for generated policies and their bindings: one is removed, changed, or too many.
    fn policies<'a>(&'a self, verb: &str, resource: &str) -> (&'static str, Box<dyn Fn() -> bool + 'a>) {
        let admin = &self.plane.admin;
        let kind = match resource {
            "networkpolicies" => "NetworkPolicy",
            "mutatingadmissionpolicies" => "MutatingAdmissionPolicy",
            "mutatingadmissionpolicybindings" => "MutatingAdmissionPolicyBinding",
            "validatingadmissionpolicies" => "ValidatingAdmissionPolicy",
            "validatingadmissionpolicybindings" => "ValidatingAdmissionPolicyBinding",
            other => panic!("{other}: what is it for?"),
        };
        let (api, namespace) =
            if kind == "NetworkPolicy" { ("networking.k8s.io/v1", "permissions-network") } else { (HOOKS, "") };
        let one = until("a policy is generated", PATIENCE, || {
            let query = "labelSelector=app.kubernetes.io%2Fmanaged-by%3Ddomicile";
            admin.list(api, kind, namespace, query).into_iter().next().ok_or(kind)
        });
        let named = |name: &Value| reference(api, kind, namespace, name.as_str().unwrap());
        let object = named(&one["metadata"]["name"]);
        match verb {
            "create" => {
                self.remove(&object);
                ("removed policies come back", Box::new(move || admin.get(&object).is_some()))
            }
            "patch" => {
                let change = match kind {
                    "NetworkPolicy" => json!({"egress": [{}]}),
                    "MutatingAdmissionPolicyBinding" => json!({"matchResources": {"matchPolicy": "Exact"}}),
                    "ValidatingAdmissionPolicyBinding" => json!({"validationActions": ["Audit"]}),
                    _ => json!({"failurePolicy": "Ignore"}),
                };
                admin.patch(&object, &json!({"spec": change})).ok();
                let spec = one["spec"].clone();
                ("changed policies are put right", Box::new(move || admin.get(&object).unwrap()["spec"] == spec))
            }
            "delete" => {
                let name = Value::from(self.fresh());
                let mut stale = named(&name);
                stale["metadata"]["labels"] = one["metadata"]["labels"].clone();
                stale["metadata"]["ownerReferences"] = one["metadata"]["ownerReferences"].clone();
                stale["spec"] = one["spec"].clone();
                admin.create(&stale).ok();
                let stale = named(&name);
                ("policies that are no longer wanted go", Box::new(move || admin.get(&stale).is_none()))
            }
            other => panic!("{other}: what is it for?"),
        }
    }

    /// The same for reports of an API that alone is written to then: one is due, changed, or too many.
    fn reports<'a>(&'a self, verb: &str, group: &str, resource: &str) -> (&'static str, Box<dyn Fn() -> bool + 'a>) {
        let (plane, admin) = (&self.plane, &self.plane.admin);
        let api = if group == "wgpolicyk8s.io" { WGPOLICY } else { OPENREPORTS };
        serve(plane, WGPOLICY, true);
        serve(plane, OPENREPORTS, api == OPENREPORTS);
        let kind = match resource {
            "clusterpolicyreports" => "ClusterPolicyReport",
            "clusterreports" => "ClusterReport",
            "policyreports" => "PolicyReport",
            _ => "Report",
        };
        let namespaced = !resource.starts_with("cluster");
        let name = self.fresh();
        // Found only where it is, since nobody is asked: a pod that was there before its store, a webhook configuration.
        let found = || {
            if namespaced {
                plane.namespace(&name, &json!({}));
                let abroad = pod(&name, "abroad", &json!({}), json!({"nodeName": "iad-1"}));
                let uid = admin.create(&abroad).ok()["metadata"]["uid"].as_str().unwrap().to_owned();
                let store = json!({
                    "apiVersion": OURS, "kind": "DataStore", "metadata": {"name": "store", "namespace": name},
                    "spec": {"origins": ["DE"], "workloads": {"selector": {}}},
                });
                admin.create(&store).ok();
                return reference(api, kind, &name, &format!("domicile-{uid}"));
            }
            let mut abroad = reference(HOOKS, "ValidatingWebhookConfiguration", "", &name);
            let rule = json!({"apiGroups": ["nobody.example.org"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]});
            abroad["webhooks"] = json!([{
                "name": "abroad.example.org", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "failurePolicy": "Ignore", "rules": [rule],
                "clientConfig": {"url": "https://hooks.execute-api.us-east-1.amazonaws.com/review"},
            }]);
            let uid = admin.create(&abroad).ok()["metadata"]["uid"].as_str().unwrap().to_owned();
            reference(api, kind, "", &format!("domicile-{uid}"))
        };
        match verb {
            "create" => {
                let report = found();
                ("what exists is reported", Box::new(move || admin.get(&report).is_some()))
            }
            "patch" => {
                let ours = "labelSelector=app.kubernetes.io%2Fcomponent%3Daudit";
                let report = until("there is a report", PATIENCE, || {
                    admin.list(api, kind, "", ours).into_iter().next().ok_or("none")
                });
                let report = reference(
                    api,
                    kind,
                    report["metadata"]["namespace"].as_str().unwrap_or_default(),
                    report["metadata"]["name"].as_str().unwrap(),
                );
                admin.patch(&report, &json!({"results": []})).ok();
                let whole = move || admin.get(&report).is_some_and(|report| report["results"] != json!([]));
                ("reports are put right", Box::new(whole))
            }
            "delete" => {
                let mut stale = reference(api, kind, if namespaced { "permissions" } else { "" }, &name);
                stale["metadata"]["labels"] = json!({
                    "app.kubernetes.io/component": "audit", "app.kubernetes.io/managed-by": "domicile",
                    "app.kubernetes.io/part-of": "domicile",
                });
                admin.create(&stale).ok();
                ("reports of what is gone go", Box::new(move || admin.get(&stale).is_none()))
            }
            "get" => {
                let ring = move |namespace: &str| reference(api, kind, namespace, "domicile-refused-requests");
                if namespaced {
                    let namespace = self.namespace();
                    self.refusal(&namespace);
                    return ("refused requests are kept", Box::new(move || admin.get(&ring(&namespace)).is_some()));
                }
                let mut volume = reference("v1", "PersistentVolume", "", &name);
                volume["metadata"]["labels"] =
                    json!({"domicile.dev/origin": "DE", "topology.kubernetes.io/region": "us-east-1"});
                volume["spec"] = json!({
                    "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                    "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-0a1b2c"},
                });
                until("the volume is refused", PATIENCE, || {
                    let answer = admin.create(&volume);
                    yes(answer.refused_by_the_operator(), answer.body)
                });
                let kept = move || admin.get(&ring("")).is_some_and(|report| report.to_string().contains(&name));
                ("refused requests are kept", Box::new(kept))
            }
            other => panic!("{other}: what is it for?"),
        }
    }

    fn events(&self, namespace: &str) -> Vec<Value> {
        let mut events = self.plane.admin.list("events.k8s.io/v1", "Event", namespace, "");
        events.retain(|event| event["reportingController"] == "domicile.dev/operator");
        events
    }
}

#[test]
fn every_permission_is_asked_for_and_without_it_a_feature_is_gone() {
    let (plane, folder) = audited();
    let mut stage = Stage { plane, log: folder.path().join("audit.log"), all: granted(), counter: AtomicUsize::new(0) };
    let arguments = ["--decision-log", "stdout", "--evictions-per-minute", "60"];
    stage.plane.operator.arguments.extend(arguments.map(str::to_owned));
    let stage = stage;
    let plane = &stage.plane;
    let nodes = [machine("fra-1", "eu-central-1a", "eu-central-1"), machine("iad-1", "us-east-1a", "us-east-1")];
    plane.control.add_nodes(&nodes).unwrap();
    serve(plane, WGPOLICY, true);
    let mut operator = Operator::started(&plane.operator);
    plane.namespace("permissions", &json!({}));
    plane.namespace("permissions-network", &json!({}));
    // For which policies are generated, of every kind: nothing more is to be said about pods there.
    plane.namespace("permissions-labelled", &json!({"domicile.dev/origin": "FR"}));
    plane.create(
        "
        apiVersion: domicile.dev/v1alpha1
        kind: DataStore
        metadata: {name: answers, namespace: permissions}
        spec: {origins: [DE], workloads: {selector: {}}}
        ---
        apiVersion: domicile.dev/v1alpha1
        kind: DataFlow
        metadata: {name: nightly, namespace: permissions}
        spec: {from: {dataStore: {name: answers}}, to: {recipient: {name: Own, place: {country: DE}}}}
        ---
        apiVersion: domicile.dev/v1alpha1
        kind: ResidencyException
        metadata: {name: move, namespace: permissions}
        spec:
          scope: {rules: [RES-PLACE], to: [FR]}
          approver: somebody
          legalBasis: a contract
          reason: a move
          expires: 2099-01-01T00:00:00Z
        ---
        apiVersion: domicile.dev/v1alpha1
        kind: ResidencyPolicy
        metadata: {name: permissions}
        spec: {mode: Audit, match: {origins: [DE]}, residence: {Process: [DE]}}
        ---
        apiVersion: domicile.dev/v1alpha1
        kind: ResidencyPolicy
        metadata: {name: permissions-network}
        spec: {match: {origins: [IT]}, residence: {Process: [IT]}, network: Generate}
        ---
        apiVersion: domicile.dev/v1alpha1
        kind: DataStore
        metadata: {name: store, namespace: permissions-network}
        spec: {origins: [IT], workloads: {selector: {}}}
        ",
    );
    plane.labelled("fra-1", Some("DE"));

    // Of the two APIs for reports one is read at a time.
    until("the older reports are read", PATIENCE, || {
        let watched = |((verb, group, resource), _)| (verb == "watch" && group == "wgpolicyk8s.io").then_some(resource);
        let seen: BTreeSet<String> = asked(&stage.log).into_iter().filter_map(watched).collect();
        yes(seen.len() == 2, format!("{seen:?}"))
    });
    serve(plane, OPENREPORTS, true);

    // With all of them, nothing is refused, and what is served is read.
    let reads: BTreeSet<_> =
        stage.all.iter().filter(|one| ["list", "watch"].contains(&one.verb.as_str())).map(Permission::key).collect();
    until("everything is read", PATIENCE, || {
        let seen: BTreeSet<_> = asked(&stage.log).into_iter().map(|(what, _)| what).collect();
        let missing: Vec<_> = reads.difference(&seen).collect();
        yes(missing.is_empty(), format!("never asked for: {missing:?}"))
    });
    let refused: Vec<_> = asked(&stage.log).into_iter().filter(|(_, refused)| *refused).collect();
    assert!(refused.is_empty(), "not granted: {refused:?}");

    // Without one of them, something else does not happen; with it again, it does.
    for permission in stage.all.iter().filter(|one| !["list", "watch"].contains(&one.verb.as_str())) {
        stage.grant(&stage.all.iter().filter(|one| *one != permission).collect::<Vec<_>>());
        let before = asked(&stage.log).len();
        let (feature, happened) = stage.provoke(permission);
        until("the operator is refused", PATIENCE, || {
            let refused = asked(&stage.log).into_iter().skip(before).find(|((_, group, resource), refused)| {
                *refused && (group, resource) == (&permission.group, &permission.resource)
            });
            yes(refused.is_some(), format!("{permission:?}: {}", operator.log_tail()))
        });
        assert!(!happened(), "{feature} does without {permission:?}");
        stage.everything();
        let (feature, happened) = stage.provoke(permission);
        until(feature, PATIENCE, || yes(happened(), format!("{permission:?}: {}", operator.log_tail())));
        println!("{feature}: {} {} {}", permission.verb, permission.group, permission.resource);
    }

    // Nothing is decided before all of it was listed.
    operator.kill();
    let others: Vec<_> = stage.all.iter().filter(|one| one.verb != "list").collect();
    stage.grant(&others);
    let before = asked(&stage.log).len();
    operator = Operator::start(&plane.operator);
    // The newer reports are not served any more, as the last of the permissions were on the older ones.
    let lists: BTreeSet<_> =
        reads.iter().filter(|(verb, group, _)| verb == "list" && group != "openreports.io").cloned().collect();
    until("every list is refused", PATIENCE, || {
        let refused: BTreeSet<_> =
            asked(&stage.log).into_iter().skip(before).filter(|(_, refused)| *refused).map(|(what, _)| what).collect();
        let missing: Vec<_> = lists.difference(&refused).collect();
        yes(missing.is_empty(), format!("{missing:?}: {}", operator.log_tail()))
    });
    assert!(!operator.ready(), "it has seen nothing");
    stage.everything();
    operator.wait_until_ready();
}
