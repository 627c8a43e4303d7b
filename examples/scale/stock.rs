//! What stands in the cluster, made from its number of pods alone: for each 100 of them 10 claims, 2 namespaces, 1 store and 3
//! flows (no client).
//!
//! Every other namespace has a store, which takes its pods by a label; the others carry an origin label. So every pod is in
//! scope. One in twenty runs where the policy does not want it; it was there before the policy, as such pods are.

use serde_json::{Value, json};

/// Countries with regions of one provider.
const PLACES: [(&str, &str); 4] =
    [("DE", "eu-central-1"), ("FR", "eu-west-3"), ("IE", "eu-west-1"), ("US", "us-east-1")];
/// Pods of one namespace.
const CROWD: usize = 50;
/// At most so many objects change their verdict with one change of a policy.
pub const FLIPS: usize = 10_000;
/// One pod in so many is wrong.
const WRONG: usize = 20;
/// Where the data of those comes from whose verdict a policy will change.
const FLIPPING: &str = "AT";
/// The last of the places, which no law lets Austrian data go to by itself.
const FAR: usize = PLACES.len() - 1;

/// The name of the policy that will change.
pub const CHANGING_POLICY: &str = "scale-changing";
/// Whose label takes a pod for the store of its namespace.
const APP: &str = "answers";

/// How much of everything there is.
#[derive(Debug, Clone, Copy)]
pub struct Stock {
    /// Pods.
    pub pods: usize,
}

impl Stock {
    pub fn namespaces(self) -> usize {
        (self.pods / CROWD).max(4)
    }

    pub fn stores(self) -> usize {
        (self.pods / 100).clamp(2, self.namespaces().div_ceil(2))
    }

    pub fn flows(self) -> usize {
        self.stores() * 3
    }

    pub fn claims(self) -> usize {
        self.stores() * 10
    }

    pub fn nodes(self) -> usize {
        (self.pods / 100).clamp(8, 1_000) / PLACES.len() * PLACES.len()
    }

    /// Everything that the operator judges.
    pub fn judged(self) -> usize {
        self.pods + self.claims() + self.stores() + self.flows()
    }

    /// The name, region and zone of each node.
    pub fn machines(self) -> impl Iterator<Item = (String, &'static str)> {
        (0..self.nodes()).map(|number| (format!("node-{number}"), PLACES[number % PLACES.len()].1))
    }

    pub fn namespace(space: usize) -> String {
        format!("cx-{space}")
    }

    fn has_store(self, space: usize) -> bool {
        space.is_multiple_of(2) && space / 2 < self.stores()
    }

    /// Whether a policy will change the verdict on this namespace.
    fn flips(self, space: usize) -> bool {
        space < (self.namespaces() / 2).min(FLIPS / CROWD)
    }

    /// Where the data of a namespace lives.
    fn home(self, space: usize) -> usize {
        if self.flips(space) { space / 2 % FAR } else { space / 2 % PLACES.len() }
    }

    fn origin(self, space: usize) -> &'static str {
        if self.flips(space) { FLIPPING } else { PLACES[self.home(space)].0 }
    }

    fn space(self, pod: usize) -> usize {
        pod % self.namespaces()
    }

    /// Whether the pod runs where it should not.
    pub fn is_wrong(self, pod: usize) -> bool {
        (pod / self.namespaces() + self.space(pod)) % WRONG == 7
    }

    pub fn wrong_pods(self) -> usize {
        (0..self.pods).filter(|pod| self.is_wrong(*pod)).count()
    }

    /// How many pods a policy will change the verdict on.
    pub fn flipping_pods(self) -> usize {
        (0..self.pods).filter(|pod| self.flips(self.space(*pod))).count()
    }

    /// A pod that is right, for changes: the same for the same number.
    pub fn right_pod(self, number: usize) -> usize {
        // A prime, so that changes are spread over namespaces and nodes.
        let first = number * 7_919 % self.pods;
        (0..self.pods).map(|more| (first + more) % self.pods).find(|pod| !self.is_wrong(*pod)).unwrap_or_default()
    }

    pub fn spaces(self) -> impl Iterator<Item = Value> {
        (0..self.namespaces()).map(move |space| {
            let labels =
                if self.has_store(space) { json!({}) } else { json!({"domicile.dev/origin": self.origin(space)}) };
            json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": Self::namespace(space), "labels": labels},
            })
        })
    }

    /// What belongs to the whole cluster.
    pub fn cluster() -> impl Iterator<Item = Value> {
        let classes = PLACES.iter().map(|(_, region)| {
            json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
                "metadata": {"name": format!("disk-{region}")}, "provisioner": "ebs.csi.aws.com",
                "allowedTopologies": [
                    {"matchLabelExpressions": [{"key": "topology.kubernetes.io/region", "values": [region]}]},
                ],
            })
        });
        let homes: Vec<&str> = PLACES.iter().map(|(country, _)| *country).collect();
        // They refuse nothing, so that what is wrong can be there.
        let staying = json!({
            "apiVersion": "domicile.dev/v1alpha1", "kind": "ResidencyPolicy", "metadata": {"name": "scale-staying"},
            "spec": {"match": {"origins": homes}, "mode": "Audit", "residence": {"Process": ["Origin"], "Store": ["Origin"]}},
        });
        classes.chain([staying, changing_policy(false)])
    }

    /// Stores, flows and claims.
    pub fn declared(self) -> impl Iterator<Item = Value> {
        (0..self.stores()).flat_map(move |number| {
            let space = number * 2;
            let (namespace, (country, region)) = (Self::namespace(space), PLACES[self.home(space)]);
            let store = json!({
                "apiVersion": "domicile.dev/v1alpha1", "kind": "DataStore",
                "metadata": {"name": APP, "namespace": namespace},
                "spec": {
                    "origins": [self.origin(space)], "residence": {"country": country},
                    "workloads": {"selector": {"matchLabels": {"app": APP}}},
                    "claims": {"selector": {"matchLabels": {"app": APP}}},
                },
            });
            let flow = |flow: usize| {
                json!({
                    "apiVersion": "domicile.dev/v1alpha1", "kind": "DataFlow",
                    "metadata": {"name": format!("to-recipient-{flow}"), "namespace": namespace},
                    "spec": {
                        "from": {"dataStore": {"name": APP}},
                        "to": {"recipient": {"name": format!("Recipient {flow}"), "place": {"country": country}}},
                    },
                })
            };
            let claim = |claim: usize| Self::claim(space, claim, region);
            let all: Vec<Value> = [store].into_iter().chain((0..3).map(flow)).chain((0..10).map(claim)).collect();
            all
        })
    }

    fn claim(space: usize, number: usize, region: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": format!("data-{number}"), "namespace": Self::namespace(space), "labels": {"app": APP}},
            "spec": {
                "storageClassName": format!("disk-{region}"), "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        })
    }

    /// One more claim beside a store, which changes what everything else is judged by.
    pub fn passing_claim(self, number: usize) -> Value {
        let space = number % self.stores() * 2;
        Self::claim(space, 100 + number, PLACES[self.home(space)].1)
    }

    /// The pod of a number, bound to its node when it is created: nobody has to place it.
    pub fn pod(self, number: usize) -> Value {
        let (space, position) = (self.space(number), number / self.namespaces());
        let home = self.home(space);
        let place = match (self.is_wrong(number), self.flips(space)) {
            (false, _) => home,
            (true, true) => FAR,
            (true, false) => (home + 1) % PLACES.len(),
        };
        let node = (number / PLACES.len() * PLACES.len() + place) % self.nodes();
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("answers-{number}"), "namespace": Self::namespace(space),
                "labels": {"app": APP, "app.kubernetes.io/part-of": "programme", "round": "0"},
            },
            "spec": {
                "nodeName": format!("node-{node}"),
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": false,
                "containers": [{
                    "name": "app", "image": "registry.example.com/cx/answers:1",
                    "env": [
                        {"name": "LOG_LEVEL", "value": "info"},
                        {"name": "DATABASE", "value": format!("postgres://answers-db.cx-{space}.svc:5432/answers")},
                        {"name": "PROGRAMME", "value": format!("programme {space}")},
                    ],
                    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
                }],
            },
        });
        if position < 10 && self.has_store(space) {
            pod["spec"]["volumes"] =
                json!([{"name": "data", "persistentVolumeClaim": {"claimName": format!("data-{position}")}}]);
            pod["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "data", "mountPath": "/var/lib/answers"}]);
        }
        pod
    }

    /// A pod with personal data that may be where it is kept, and that only the operator can tell so: it is told an address.
    pub fn probe(self) -> Value {
        let mut pod = self.pod(0);
        pod["metadata"] = json!({"generateName": "probe-", "namespace": Self::namespace(0), "labels": {"app": APP}});
        pod["spec"]["containers"][0]["env"] =
            json!([{"name": "EXPORTS", "value": format!("https://s3.{}.amazonaws.com/", PLACES[self.home(0)].1)}]);
        if let Some(spec) = pod["spec"].as_object_mut() {
            spec.remove("nodeName");
        }
        pod
    }
}

/// The policy that will change, before or after: it lets Austrian data be processed in the EEA, or at home.
pub fn changing_policy(changed: bool) -> Value {
    json!({
        "apiVersion": "domicile.dev/v1alpha1", "kind": "ResidencyPolicy", "metadata": {"name": CHANGING_POLICY},
        "spec": {
            "match": {"origins": [FLIPPING]}, "mode": "Audit",
            "residence": {"Process": [if changed { FLIPPING } else { "EEA" }]},
        },
    })
}

/// A mechanism on which nobody relies: everything is judged again because of it, and the verdicts stay.
pub fn unused_mechanism(number: usize) -> Value {
    json!({
        "apiVersion": "domicile.dev/v1alpha1", "kind": "TransferMechanism", "metadata": {"name": "scale-unused"},
        "spec": {
            "title": format!("An example framework, edition {number}"), "role": "Ground", "kind": "CertificationFramework",
            "from": ["PT"], "to": ["IN"], "timeZone": "UTC", "source": {"reference": "an example decision"},
        },
    })
}
