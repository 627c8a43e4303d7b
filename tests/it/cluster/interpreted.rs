//! Objects of other projects' types through the live webhooks: types that are there, types that come later, types that a
//! user teaches, and what happens when that to which an object refers changes.

use serde_json::{Value, json};

use crate::client::{Answer, reference};
use crate::operator::Operator;
use crate::plane::{OURS, Plane, alone};
use crate::poll::{PATIENCE, until, yes};

/// A definition with a schema that keeps whatever it is given.
fn definition(group: &str, versions: &[&str], kind: &str, plural: &str, scope: &str) -> Value {
    let version = |(position, name): (usize, &&str)| {
        json!({
            "name": name, "served": true, "storage": position == 0,
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
        })
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": scope, "versions": versions.iter().enumerate().map(version).collect::<Vec<_>>(),
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
        },
    })
}

fn define(plane: &Plane, definition: &Value) {
    plane.admin.create(definition).ok();
    let group = definition["spec"]["group"].as_str().unwrap();
    let version = definition["spec"]["versions"][0]["name"].as_str().unwrap();
    let kind = definition["spec"]["names"]["kind"].as_str().unwrap();
    let namespace = if definition["spec"]["scope"] == "Namespaced" { "default" } else { "" };
    let probe = reference(&format!("{group}/{version}"), kind, namespace, "probe");
    until("the type is served", PATIENCE, || {
        let answer = plane.admin.create_dry(&probe);
        yes(answer.code < 300, answer.message())
    });
}

fn location(namespace: &str, name: &str, config: &Value) -> Value {
    let mut object = reference("velero.io/v1", "BackupStorageLocation", namespace, name);
    object["spec"] = json!({"provider": "velero.io/aws", "objectStorage": {"bucket": "cx"}, "config": config});
    object
}

/// Waits until the API server asks about an object and the answer is a refusal that says this.
fn refused(plane: &Plane, object: &Value, says: &str) {
    until("the object is refused", PATIENCE, || {
        let answer = plane.admin.create_dry(object);
        yes(answer.code == 403 && answer.message().contains(says), format!("{} {}", answer.code, answer.message()))
    });
}

fn allowed(plane: &Plane, object: &Value) {
    until("the object is allowed", PATIENCE, || {
        let answer: Answer = plane.admin.create_dry(object);
        yes(answer.code < 300, format!("{} {}", answer.code, answer.message()))
    });
}

fn labelled(plane: &Plane, name: &str) {
    let mut namespace = reference("v1", "Namespace", "", name);
    namespace["metadata"]["labels"] = json!({"domicile.dev/origin": "DE"});
    plane.admin.create(&namespace).ok();
}

#[test]
fn objects_of_other_projects_are_judged_as_soon_as_their_type_is_there() {
    let plane = alone();
    let _operator = Operator::started(&plane.operator);
    labelled(&plane, "interpreted");
    // The type comes after the operator.
    define(&plane, &definition("velero.io", &["v1"], "BackupStorageLocation", "backupstoragelocations", "Namespaced"));
    refused(&plane, &location("interpreted", "abroad", &json!({"region": "us-east-1"})), "spec.config.region");
    allowed(&plane, &location("interpreted", "inside", &json!({"region": "eu-central-1"})));
    refused(&plane, &location("interpreted", "unknown", &json!({})), "RES-UNKNOWN");
    // Nobody is asked about what is nobody's data.
    allowed(&plane, &location("default", "elsewhere", &json!({"region": "us-east-1"})));
    // A patch is judged like what it makes.
    plane.admin.create(&location("interpreted", "patched", &json!({"region": "eu-central-1"}))).ok();
    let object = location("interpreted", "patched", &json!({"region": "eu-central-1"}));
    let answer = plane.admin.patch(&object, &json!({"spec": {"config": {"region": "us-east-1"}}}));
    assert_eq!(answer.code, 403, "{}", answer.message());
    // What is only bookkeeping passes.
    let answer = plane.admin.patch(&object, &json!({"metadata": {"annotations": {"example.org/seen": "yes"}}}));
    assert!(answer.code < 300, "{}", answer.message());
}

#[test]
fn a_type_that_a_user_teaches_is_judged_in_every_version_that_is_served() {
    let plane = alone();
    let _operator = Operator::started(&plane.operator);
    labelled(&plane, "taught");
    define(&plane, &definition("example.org", &["v1", "v2"], "Archive", "archives", "Namespaced"));
    let mut archive = reference("example.org/v1", "Archive", "taught", "nightly");
    archive["spec"] = json!({"target": {"host": "archive.fra.example.com"}});
    allowed(&plane, &archive);
    let mut interpreter = reference(OURS, "ResourceInterpreter", "", "archives.example.org");
    interpreter["spec"] = json!({
        "resource": {"group": "example.org", "versions": ["v1"], "kind": "Archive", "plural": "archives"},
        "destinations": [{"act": "Backup", "at": "spec.target", "fields": [{"path": "host", "says": "Endpoint"}]}],
    });
    plane.admin.create(&interpreter).ok();
    refused(&plane, &archive, "archive.fra.example.com");
    let mut site = reference(OURS, "Location", "", "fra-dc");
    site["spec"] = json!({"country": "DE", "hosts": ["*.fra.example.com"]});
    plane.admin.create(&site).ok();
    allowed(&plane, &archive);
    // Moving the site moves what refers to it.
    plane.admin.patch(&site, &json!({"spec": {"country": "US"}})).ok();
    refused(&plane, &archive, "RES-PLACE");
    plane.admin.patch(&site, &json!({"spec": {"country": "DE"}})).ok();
    allowed(&plane, &archive);
    let mut other = archive.clone();
    other["apiVersion"] = "example.org/v2".into();
    refused(&plane, &other, "apiVersion");
    plane.admin.delete(&interpreter);
    allowed(&plane, &other);
}

#[test]
fn a_cluster_scoped_object_is_judged_by_its_own_label() {
    let plane = alone();
    let _operator = Operator::started(&plane.operator);
    define(&plane, &definition("s3.aws.upbound.io", &["v1beta2"], "Bucket", "buckets", "Cluster"));
    let mut bucket = reference("s3.aws.upbound.io/v1beta2", "Bucket", "", "recordings");
    bucket["spec"] = json!({"forProvider": {"region": "us-east-1"}});
    allowed(&plane, &bucket);
    bucket["metadata"]["labels"] = json!({"domicile.dev/origin": "DE"});
    refused(&plane, &bucket, "spec.forProvider.region");
    bucket["spec"] = json!({"forProvider": {"region": "eu-central-1"}});
    allowed(&plane, &bucket);
    // Where a policy wants it, the region is replaced when the bucket is made.
    let mut policy = reference(OURS, "ResidencyPolicy", "", "law");
    policy["spec"] = json!({
        "residence": {"Store": ["Origin"], "Process": ["Origin"], "Backup": ["Origin"]}, "mode": "Enforce",
        "unknownPlace": "Refuse",
        "rewrite": {"storage": "OnCreate", "preferredRegions": [{"provider": "aws", "id": "eu-central-1"}]},
    });
    plane.admin.create(&policy).ok();
    bucket["spec"] = json!({"forProvider": {"region": "us-east-1"}});
    until("the region is replaced", PATIENCE, || {
        let answer = plane.admin.create_dry(&bucket);
        let region = answer.body["spec"]["forProvider"]["region"].as_str().unwrap_or_default().to_owned();
        yes(answer.code < 300 && region == "eu-central-1", format!("{} {} {region}", answer.code, answer.message()))
    });
    plane.admin.delete(&policy);
}
