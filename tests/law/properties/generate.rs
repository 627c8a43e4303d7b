//! Random manifests. Values are drawn from small pools, so that they meet each other: region ids that two providers
//! share, outposts, labels that lie, names that nobody knows.

use std::sync::{Arc, LazyLock};

use domicile::engine::node::{COUNTRY_LABEL, HOSTNAME_LABEL, REGION_LABEL, ZONE_LABEL};
use domicile::interpret::Judgement;
use domicile::interpret::world::World;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Map, Value, json};

/// The namespace in which everything happens.
pub const NAMESPACE: &str = "ns";

const GROUP: &str = "domicile.dev/v1alpha1";
const IDS: &[&str] = &[
    "aws:///eu-central-1a/i-0",
    "aws:///us-east-1a/i-0",
    "aws:///eu-west-1a/i-0",
    "aws:///us-east-1-scl-1a/i-0",
    "aws:////i-0",
    "alicloud://eu-west-1.i-0",
    "gce://project/europe-west3-a/node",
    "hcloud://1",
    "kwok://node",
];
const REGIONS: &[&str] =
    &["eu-central-1", "us-east-1", "eu-west-1", "europe-west3", "fsn1", "nowhere-1", "berlin-1", "rhine", "maybe-1"];
const ZONES: &[&str] = &[
    "eu-central-1a",
    "us-east-1a",
    "eu-west-1a",
    "us-east-1-scl-1a",
    "europe-west3-a",
    "fsn1-dc14",
    "rack-1",
    "berlin-zone",
];
const COUNTRIES: &[&str] = &["DE", "US", "IE", "GB", "de", ""];
const NODES: &[&str] = &["node-0", "node-1", "node-2", "node-3", "node-4", "missing"];
const DATACENTRES: &[&str] = &["berlin", "boston", "nowhere"];
const DISKS: &[&str] = &["ssd", "hdd"];
const SIZES: &[&str] = &["2", "8", "many"];

fn text(pool: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    select(pool).prop_map(str::to_owned)
}

/// The namespace, with an origin label or without.
pub fn namespace(origins: Option<&str>) -> Value {
    let labels: Map<String, Value> =
        origins.map(|origins| ("domicile.dev/origin".to_owned(), origins.into())).into_iter().collect();
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
}

/// Locations of the cluster's own: a region, a zone, labels, several countries, none, and one that is not sure.
pub fn places() -> Vec<Value> {
    let location = |name: &str, spec: Value| json!({"apiVersion": GROUP, "kind": "Location", "metadata": {"name": name}, "spec": spec});
    let region = |id: &str| json!([{"provider": "metal", "id": id}]);
    let labels = |labels: Value| json!({"selector": {"matchLabels": labels}});
    vec![
        location(
            "berlin",
            json!({"country": "DE", "regions": region("berlin-1"), "nodes": {"zones": ["berlin-zone"]}}),
        ),
        location("berlin-hall", json!({"country": "DE", "nodes": labels(json!({"dc": "berlin"}))})),
        location("boston-hall", json!({"country": "US", "nodes": labels(json!({"dc": "boston"}))})),
        location("both", json!({"country": "US", "nodes": labels(json!({"dc": "berlin", "disk": "hdd"}))})),
        location("rhine", json!({"countries": ["DE", "NL"], "regions": region("rhine")})),
        location(
            "maybe",
            json!({"country": "DE", "regions": region("maybe-1"), "source": {"reference": "x", "confidence": "Low"}}),
        ),
    ]
}

/// Nodes: many of them lie, some do not.
pub fn nodes() -> impl Strategy<Value = Vec<Value>> {
    let honest = select(&[
        ("aws:///eu-central-1a/i-0", "eu-central-1", "eu-central-1a"),
        ("aws:///us-east-1a/i-0", "us-east-1", "us-east-1a"),
        ("aws:///eu-west-1a/i-0", "eu-west-1", "eu-west-1a"),
        ("alicloud://eu-west-1.i-0", "eu-west-1", "eu-west-1a"),
        ("gce://project/europe-west3-a/node", "europe-west3", "europe-west3-a"),
        ("hcloud://1", "fsn1", "fsn1-dc14"),
    ] as &[_])
    .prop_map(|(id, region, zone): (&str, &str, &str)| {
        (Some(id.to_owned()), Some(region.to_owned()), Some(zone.to_owned()))
    });
    let lying = (option::of(text(IDS)), option::of(text(REGIONS)), option::of(text(ZONES)));
    let place = prop_oneof![2 => honest, 3 => lying];
    let more =
        (option::of(text(DATACENTRES)), option::of(text(DISKS)), option::of(text(SIZES)), option::of(text(NODES)));
    vec((place, more), 0..5).prop_map(|nodes| {
        let made = nodes.into_iter().enumerate().map(|(at, ((id, region, zone), (dc, disk, size, host)))| {
            let labels: Map<String, Value> = [
                (REGION_LABEL, region),
                (ZONE_LABEL, zone),
                ("dc", dc),
                ("disk", disk),
                ("cpu", size),
                (HOSTNAME_LABEL, host),
            ]
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?.into())))
            .collect();
            let name = format!("node-{at}");
            let spec = id.map_or(json!({}), |id| json!({"providerID": id}));
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": spec})
        });
        made.collect()
    })
}

/// The value of an origin label.
pub fn origins() -> impl Strategy<Value = String> {
    text(&["DE", "IE", "US", "DE_FR", "DE_IE", "GB"])
}

/// Either only the built-in policy, or one beside it that keeps data at home; none of them lets anything unknown pass.
pub fn strict_policies() -> impl Strategy<Value = (bool, Vec<Value>)> {
    (any::<bool>(), text(&["Auto", "Region", "Country"])).prop_map(|(home, pin)| {
        let spec = json!({"residence": {"Process": ["Origin"]}, "rewrite": {"pinBy": pin}});
        let policy =
            json!({"apiVersion": GROUP, "kind": "ResidencyPolicy", "metadata": {"name": "home"}, "spec": spec});
        (home, if home { vec![policy] } else { Vec::new() })
    })
}

fn label() -> impl Strategy<Value = (String, Vec<String>)> {
    let of = |key: &'static str, pool: &'static [&'static str]| {
        vec(text(pool), 1..4).prop_map(move |values| (key.to_owned(), values))
    };
    prop_oneof![
        4 => of(REGION_LABEL, REGIONS),
        3 => of(ZONE_LABEL, ZONES),
        3 => of(COUNTRY_LABEL, COUNTRIES),
        2 => of("dc", DATACENTRES),
        1 => of("disk", DISKS),
        1 => of("cpu", SIZES),
        1 => of(HOSTNAME_LABEL, NODES),
    ]
}

fn expression() -> impl Strategy<Value = Value> {
    let operator = prop_oneof![
        6 => Just("In"), 3 => Just("NotIn"), 1 => Just("Exists"), 2 => Just("DoesNotExist"), 1 => Just("Gt"), 1 => Just("Lt")
    ];
    (label(), operator).prop_map(|((key, values), operator)| match operator {
        "Exists" | "DoesNotExist" => json!({"key": key, "operator": operator}),
        "Gt" | "Lt" => json!({"key": key, "operator": operator, "values": ["4"]}),
        _ => json!({"key": key, "operator": operator, "values": values}),
    })
}

fn term() -> impl Strategy<Value = Value> {
    let field = (select(vec!["In", "NotIn"]), text(NODES));
    let field =
        field.prop_map(|(operator, node)| json!({"key": "metadata.name", "operator": operator, "values": [node]}));
    (option::weighted(0.9, vec(expression(), 0..4)), option::weighted(0.2, field)).prop_map(|(expressions, field)| {
        let mut term = Map::new();
        if let Some(expressions) = expressions {
            term.insert("matchExpressions".to_owned(), expressions.into());
        }
        if let Some(field) = field {
            term.insert("matchFields".to_owned(), json!([field]));
        }
        term.into()
    })
}

fn affinity() -> impl Strategy<Value = Option<Value>> {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    prop_oneof![
        1 => Just(None),
        1 => select(vec![json!(null), json!({}), json!({"nodeAffinity": null}), json!({"nodeAffinity": {}})]).prop_map(Some),
        1 => term().prop_map(|term| {
            Some(json!({"nodeAffinity": {PREFERRED: [{"weight": 1, "preference": term}]}, "podAffinity": {}}))
        }),
        6 => vec(term(), 1..5).prop_map(|terms| Some(json!({"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}}))),
    ]
}

/// The specification of a pod.
fn pod_spec() -> impl Strategy<Value = Value> {
    let selector = btree_map(Just(()), label(), 0..2).prop_map(|labels| {
        let one = |(key, values): (String, Vec<String>)| (key, Value::from(values[0].clone()));
        labels.into_values().map(one).collect::<Map<String, Value>>()
    });
    let claims = vec(text(&["data", "bound", "missing"]), 0..2);
    (affinity(), selector, option::weighted(0.1, text(NODES)), claims, option::weighted(0.2, Just("key"))).prop_map(
        |(affinity, selector, node, claims, secret)| {
            let env: Vec<Value> = secret.iter().map(|name| json!({"secretRef": {"name": name}})).collect();
            let volume = |(at, claim)| json!({"name": format!("v{at}"), "persistentVolumeClaim": {"claimName": claim}});
            let volumes: Vec<Value> = claims.iter().enumerate().map(volume).collect();
            let mut spec = json!({
                "containers": [{"name": "app", "image": "example.org/app", "envFrom": env}],
                "volumes": volumes,
            });
            if !selector.is_empty() {
                spec["nodeSelector"] = selector.into();
            }
            if let Some(affinity) = affinity {
                spec["affinity"] = affinity;
            }
            if let Some(node) = node {
                spec["nodeName"] = node.into();
            }
            spec
        },
    )
}

fn pod_labels() -> impl Strategy<Value = Map<String, Value>> {
    let origin = text(&["DE", "US", "DE_FR", "Germany"]);
    (option::of(text(&["a", "b"])), option::weighted(0.2, origin)).prop_map(|(app, origin)| {
        let labels = [("app", app), ("domicile.dev/origin", origin)];
        labels.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into()))).collect()
    })
}

/// A pod without labels of its own.
pub fn pod() -> impl Strategy<Value = Value> {
    pod_spec().prop_map(|spec| {
        let metadata = json!({"name": "app", "namespace": NAMESPACE});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    })
}

/// The pod before its patch: every operation of it only adds.
pub fn unpatched(pod: &Value, judgement: &Judgement) -> Value {
    if judgement.patch.is_empty() {
        return pod.clone();
    }
    let mut pod = pod.clone();
    for operation in judgement.patch.iter().rev() {
        let json_patch::PatchOperation::Add(add) = operation else { panic!("a patch only adds") };
        let path = add.path.to_string();
        let (parent, key) = path.rsplit_once('/').unwrap();
        match pod.pointer_mut(parent) {
            Some(Value::Array(list)) => drop(list.pop()),
            Some(Value::Object(map)) => drop(map.remove(key)),
            _ => panic!("{path} is not in the patched pod"),
        }
    }
    pod
}

fn claim_spec() -> impl Strategy<Value = Value> {
    let class = option::weighted(0.8, text(&["local", "home", "abroad", "both", "now", "missing", ""]));
    (class, option::weighted(0.2, text(&["pv-home", "pv-abroad", "missing", ""]))).prop_map(|(class, volume)| {
        let mut spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
        if let Some(class) = class {
            spec["storageClassName"] = class.into();
        }
        if let Some(volume) = volume {
            spec["volumeName"] = volume.into();
        }
        spec
    })
}

/// A pod, a claim, or a workload of any kind.
pub fn object() -> impl Strategy<Value = Value> {
    let metadata = |labels: Map<String, Value>| json!({"name": "app", "namespace": NAMESPACE, "labels": labels});
    let pod = (pod_labels(), pod_spec()).prop_map(
        move |(labels, spec)| json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata(labels), "spec": spec}),
    );
    let claim = (pod_labels(), claim_spec()).prop_map(move |(labels, spec)| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata(labels), "spec": spec})
    });
    let kinds = domicile::interpret::workload::KINDS.to_vec();
    let claims = vec(claim_spec(), 0..2);
    let workload = (select(kinds), pod_labels(), pod_spec(), claims).prop_map(|(kind, labels, spec, claims)| {
        let version = if kind.group.is_empty() { "v1".to_owned() } else { format!("{}/v1", kind.group) };
        let template = json!({"metadata": {"labels": labels}, "spec": spec});
        let spec = match kind.kind {
            "CronJob" => json!({"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": template}}}),
            "StatefulSet" => {
                let named = |spec: Value| json!({"metadata": {"name": "data"}, "spec": spec});
                let claims: Vec<Value> = claims.into_iter().map(named).collect();
                json!({"template": template, "volumeClaimTemplates": claims, "selector": {"matchLabels": labels}})
            }
            _ => json!({"template": template, "selector": {"matchLabels": labels}}),
        };
        json!({"apiVersion": version, "kind": kind.kind, "metadata": {"name": "app", "namespace": NAMESPACE}, "spec": spec})
    });
    prop_oneof![4 => pod, 3 => claim, 2 => workload]
}

/// Group and kind of a manifest; of something else nothing.
pub fn kind_of(object: &Value) -> (&str, &str) {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    (text("apiVersion").split_once('/').map_or("", |(group, _)| group), text("kind"))
}

/// A policy of any kind.
pub fn policy(name: &'static str) -> impl Strategy<Value = Value> {
    let words = || vec(text(&["Origin", "Law", "DE", "FR", "US", "IE", "EEA", "Nobody"]), 1..4);
    let modes = (
        prop_oneof![4 => Just("Enforce"), 1 => Just("Warn"), 1 => Just("Audit")],
        select(vec!["Refuse", "Warn", "Audit"]),
    );
    let rewrite = (
        prop_oneof![3 => Just("Always"), 1 => Just("Never")],
        select(vec!["Auto", "Region", "Country"]),
        any::<bool>(),
    );
    let matches = (
        option::weighted(0.3, vec(text(&["DE", "FR", "US", "EU", "Nobody"]), 1..3)),
        option::weighted(0.3, vec(text(&["user.contact", "pd:Health"]), 1..2)),
    );
    let acts = (option::weighted(0.8, words()), option::weighted(0.8, words()), option::weighted(0.3, words()));
    (acts, modes, rewrite, matches).prop_map(move |(acts, (mode, unknown), (pods, pin, storage), (origins, categories))| {
        let residence: Map<String, Value> = [("Process", acts.0), ("Store", acts.1), ("Transfer", acts.2)]
            .into_iter()
            .filter_map(|(act, words)| Some((act.to_owned(), words?.into())))
            .collect();
        let storage = if storage { "OnCreate" } else { "Never" };
        json!({"apiVersion": GROUP, "kind": "ResidencyPolicy", "metadata": {"name": name}, "spec": {
            "match": {"origins": origins.unwrap_or_default(), "categories": categories.unwrap_or_default()},
            "residence": residence,
            "mode": mode,
            "unknownPlace": unknown,
            "rewrite": {"pods": pods, "pinBy": pin, "storage": storage, "preferredStorageClasses": ["both", "home"]},
        }})
    })
}

/// Stores `a` and `b`, of which `b` receives from `a` and hands on to a recipient.
fn stores() -> impl Strategy<Value = Vec<Value>> {
    let origins = || subsequence(vec!["DE", "FR", "US"], 1..3);
    let categories = || subsequence(vec!["user.contact.email", "pd:Health"], 0..2);
    let recipient = option::of(text(&["DE", "US"]));
    (origins(), origins(), categories(), any::<[bool; 3]>(), recipient).prop_map(
        |(one, other, categories, kinds, place)| {
            let object = |kind: &str, name: &str, spec: Value| {
                let metadata = json!({"name": name, "namespace": NAMESPACE});
                json!({"apiVersion": GROUP, "kind": kind, "metadata": metadata, "spec": spec})
            };
            let [with_a, with_b, with_flow] = kinds;
            let mut all = Vec::new();
            if with_a {
                all.push(object(
                    "DataStore",
                    "a",
                    json!({
                        "origins": one, "categories": categories, "claims": {"names": ["data"]},
                        "workloads": {"selector": {"matchLabels": {"app": "a"}}},
                    }),
                ));
            }
            if with_b {
                all.push(object(
                    "DataStore",
                    "b",
                    json!({
                        "origins": other, "secrets": ["key"], "claims": {"selector": {"matchLabels": {"app": "b"}}},
                    }),
                ));
            }
            if with_flow {
                let store = |name: &str| json!({"dataStore": {"name": name}});
                all.push(object("DataFlow", "ab", json!({"from": store("a"), "to": store("b")})));
                let place = place.map(|country| json!({"country": country}));
                all.push(object(
                    "DataFlow",
                    "out",
                    json!({
                        "from": store("b"), "to": {"recipient": {"name": "x", "place": place}},
                        "workloads": {"selector": {"matchLabels": {"app": "b"}}},
                    }),
                ));
            }
            all
        },
    )
}

/// Storage classes, volumes and claims, always the same.
fn storage() -> Vec<Value> {
    let class = |name: &str, driver: &str, waits: bool, zones: &[&str]| {
        let mode = if waits { "WaitForFirstConsumer" } else { "Immediate" };
        let mut class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
            "provisioner": driver, "volumeBindingMode": mode,
        });
        if !zones.is_empty() {
            class["allowedTopologies"] = json!([{"matchLabelExpressions": [{"key": ZONE_LABEL, "values": zones}]}]);
        }
        class
    };
    let volume = |name: &str, zone: &str| {
        let expression = json!({"key": ZONE_LABEL, "operator": "In", "values": [zone]});
        let terms = json!([{"matchExpressions": [expression]}]);
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {
            "csi": {"driver": "ebs.csi.aws.com"}, "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
        }})
    };
    let claim = |name: &str, spec: Value| {
        let metadata = json!({"name": name, "namespace": NAMESPACE});
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})
    };
    let mut home = class("home", "ebs.csi.aws.com", false, &["eu-central-1a"]);
    home["metadata"]["annotations"] = json!({"storageclass.kubernetes.io/is-default-class": "true"});
    let mut second = class("second", "ebs.csi.aws.com", true, &["eu-central-1a"]);
    second["metadata"]["annotations"] = home["metadata"]["annotations"].clone();
    vec![
        home,
        second,
        class("local", "rancher.io/local-path", true, &[]),
        class("abroad", "ebs.csi.aws.com", true, &["us-east-1a"]),
        class("both", "ebs.csi.aws.com", true, &["eu-central-1a", "us-east-1a"]),
        class("now", "ebs.csi.aws.com", false, &[]),
        volume("pv-home", "eu-central-1a"),
        volume("pv-abroad", "us-east-1a"),
        claim("data", json!({"storageClassName": "local"})),
        claim("bound", json!({"storageClassName": "", "volumeName": "pv-home"})),
    ]
}

/// A world in which anything may be.
pub fn world() -> impl Strategy<Value = Vec<Value>> {
    let label = option::of(text(&["DE", "US", "DE_FR", "Germany"]));
    let policies =
        (option::weighted(0.4, policy("law")), option::weighted(0.6, policy("m")), option::weighted(0.4, policy("z")));
    (nodes(), label, policies, stores()).prop_map(|(nodes, label, (law, m, z), stores)| {
        let mut all = vec![namespace(label.as_deref())];
        all.extend(places());
        all.extend(storage());
        all.extend(nodes);
        all.extend([law, m, z].into_iter().flatten());
        all.extend(stores);
        all
    })
}

/// The same world with one more origin on everything that declares one.
pub fn with_origin(world: &[Value], origin: &str) -> Vec<Value> {
    let mut more = world.to_vec();
    for object in &mut more {
        if let Some(Value::String(label)) = object.pointer_mut("/metadata/labels/domicile.dev~1origin") {
            *label = format!("{label}_{origin}");
        }
        if let Some(Value::Array(origins)) = object.pointer_mut("/spec/origins") {
            origins.push(origin.into());
        }
    }
    more
}

/// One world with a bit of everything, made once.
pub fn busy_world() -> Arc<World> {
    static WORLD: LazyLock<Arc<World>> = LazyLock::new(|| {
        let mut manifests = places();
        manifests.extend(storage());
        manifests.push(namespace(Some("DE")));
        manifests.push(
            json!({"apiVersion": GROUP, "kind": "DataStore", "metadata": {"name": "a", "namespace": NAMESPACE},
            "spec": {"origins": ["DE"], "workloads": {"selector": {"matchLabels": {"app": "a"}}}, "secrets": ["key"],
                "claims": {"selector": {"matchLabels": {"app": "b"}}}}}),
        );
        manifests.push(json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": "node-0", "labels": {REGION_LABEL: "eu-central-1", "dc": "berlin"}},
            "spec": {"providerID": "aws:///eu-central-1a/i-0"}}));
        super::index(&manifests).world()
    });
    WORLD.clone()
}

/// A kind that is judged, or one that is not.
pub fn any_kind() -> impl Strategy<Value = (&'static str, &'static str)> {
    let mut kinds =
        vec![("", "Pod"), ("", "PersistentVolumeClaim"), ("", "Namespace"), ("", "Secret"), ("domicile.dev", "X")];
    kinds.extend(domicile::interpret::workload::KINDS.iter().map(|kind| (kind.group, kind.kind)));
    kinds.extend(domicile::interpret::own::OwnKind::ALL.iter().map(|(_, kind, _)| ("domicile.dev", *kind)));
    select(kinds)
}

/// Text that is JSON by chance only, and JSON that is an object by chance only.
pub fn nonsense() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), ".{0,40}", json_value().prop_map(|value| value.to_string())]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        text(REGIONS).prop_map(Value::from),
        text(&[
            "9999-99-99",
            "2500-01-01T00:00:00Z",
            "-009999-01-01",
            "Europe/Brussels",
            "(?<zone>",
            "EEA",
            "_",
            "DE__"
        ])
        .prop_map(Value::from),
    ];
    let key =
        text(&["metadata", "spec", "labels", "members", "country", "from", "matchExpressions", "values", "template"]);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(key.clone(), inner, 0..4).prop_map(|map| map.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

/// A change somewhere in an object.
#[derive(Debug, Clone)]
pub struct Change {
    at: Index,
    to: Option<Value>,
}

/// Some changes.
pub fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = (any::<Index>(), option::weighted(0.8, json_value())).prop_map(|(at, to)| Change { at, to });
    vec(change, 1..4)
}

impl Change {
    /// Puts another value where one stood, or an empty one of its kind.
    pub fn apply(self, object: &mut Value) {
        fn paths(value: &Value, path: &str, into: &mut Vec<String>) {
            into.push(path.to_owned());
            match value {
                Value::Array(list) => {
                    list.iter().enumerate().for_each(|(at, one)| paths(one, &format!("{path}/{at}"), into));
                }
                Value::Object(map) => map.iter().for_each(|(key, one)| {
                    let key = key.replace('~', "~0").replace('/', "~1");
                    paths(one, &format!("{path}/{key}"), into);
                }),
                _ => {}
            }
        }
        let mut all = Vec::new();
        paths(object, "", &mut all);
        // The object itself is left, or there would be nothing to damage any more.
        let inner = &all[1.min(all.len() - 1)..];
        if let Some(value) = object.pointer_mut(&inner[self.at.index(inner.len())]) {
            *value = self.to.unwrap_or_else(|| match value {
                Value::Array(_) => json!([]),
                Value::Object(_) => json!({}),
                _ => Value::Null,
            });
        }
    }
}
