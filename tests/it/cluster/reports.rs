//! Reports on a real API server with the real schemas of both report APIs. What is written is counted by the API server's own
//! record of the operator's requests.

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{documents, path_of, reference};
use crate::operator::{Operator, Setup};
use crate::plane::{COUNTRY, OURS, Plane, audited, condition, machine, pod};
use crate::poll::{PATIENCE, until, yes};

pub const OPENREPORTS: &str = "openreports.io/v1alpha1";
pub const WGPOLICY: &str = "wgpolicyk8s.io/v1alpha2";
/// Stands in environment variables and annotations of what is judged, and must stand nowhere else.
const CANARY: &str = "canary-9c1f27";

/// The definitions of an API.
fn definitions(api: &str) -> Vec<Value> {
    let name = if api == OPENREPORTS { "openreports" } else { "wgpolicy" };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/cluster/reports/{name}.yaml"));
    documents(&std::fs::read_to_string(file).unwrap())
}

/// Has the API server serve an API, or no longer.
pub fn serve(plane: &Plane, api: &str, served: bool) {
    for definition in definitions(api) {
        let there = || plane.admin.get(&definition);
        if served {
            assert!([201, 409].contains(&plane.admin.create(&definition).code));
            until("the definition is served", PATIENCE, || {
                let definition = there().ok_or("no definition")?;
                yes(condition(&definition, "Established")["status"] == "True", &definition["status"])
            });
        } else {
            plane.admin.delete(&definition);
            until("the definition is gone", PATIENCE, || yes(there().is_none(), "it is there"));
        }
    }
}

struct Stage {
    plane: Plane,
    folder: TempDir,
}

/// A cluster whose API server keeps a record, for one test at a time.
fn stage() -> MutexGuard<'static, Stage> {
    static STAGE: LazyLock<Mutex<Stage>> = LazyLock::new(|| {
        let (plane, folder) = audited();
        let nodes = [machine("fra-1", "eu-central-1a", "eu-central-1"), machine("iad-1", "us-east-1a", "us-east-1")];
        plane.control.add_nodes(&nodes).unwrap();
        Mutex::new(Stage { plane, folder })
    });
    STAGE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stage {
    fn log(&self) -> PathBuf {
        self.folder.path().join("audit.log")
    }

    /// What the operator has written so far, by the API server's record: verb, resource and name. It renews its lease all the
    /// time, and writes its webhook configurations anew every half minute, whatever happens.
    fn writes(&self) -> Vec<String> {
        let record = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines = record.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let done = lines.filter(|line| line["stage"] == "ResponseComplete");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let told = done.map(|line| {
            let object = &line["objectRef"];
            let parts = [&line["verb"], &object["resource"], &object["subresource"], &object["name"]].map(text);
            (parts[0].clone(), parts.join(" "))
        });
        let writes = ["create", "update", "patch", "delete"];
        let always = ["leases ", "webhookconfigurations "];
        told.filter(|(verb, what)| writes.contains(&verb.as_str()) && !always.iter().any(|one| what.contains(one)))
            .map(|(_, what)| what)
            .collect()
    }

    /// Waits until the operator has nothing left to write, and returns what it has written until then.
    fn quiet(&self) -> Vec<String> {
        let mut before = self.writes();
        until("nothing is left to write", PATIENCE, || {
            std::thread::sleep(Duration::from_secs(3));
            let after = self.writes();
            let fresh = format!("{:?}", &after[before.len()..]);
            yes(std::mem::replace(&mut before, after.clone()) == after, fresh).map(|()| after)
        })
    }

    fn writes_of(&self, resource: &str) -> usize {
        let word = format!(" {resource} ");
        self.writes().iter().filter(|what| what.contains(&word)).count()
    }

    /// A namespace whose store holds what pods with the label work on. They exist before it does, wherever they run.
    fn shop(&self, name: &str, nodes: &[(&str, &str)]) {
        self.plane.namespace(name, &json!({}));
        for (pod, node) in nodes {
            self.plane.admin.create(&carrier(name, pod, json!({"nodeName": node}))).ok();
        }
        self.plane.create(&format!(
            "
            apiVersion: domicile.dev/v1alpha1
            kind: DataStore
            metadata: {{name: orders, namespace: {name}}}
            spec: {{origins: [DE], workloads: {{selector: {{matchLabels: {{app: orders}}}}}}}}
            "
        ));
        self.plane.enforced(name, "orders");
    }

    /// The reports of a namespace, by the name of the object.
    fn reports(&self, api: &str, namespace: &str) -> Vec<(String, Value)> {
        let kind = if api == OPENREPORTS { "Report" } else { "PolicyReport" };
        let reports = self.plane.admin.list(api, kind, namespace, "");
        reports.into_iter().map(|report| (report["scope"]["name"].as_str().unwrap_or("-").to_owned(), report)).collect()
    }

    /// Waits until exactly these objects of a namespace have a report.
    #[track_caller]
    fn reported(&self, api: &str, namespace: &str, objects: &[&str]) -> Vec<(String, Value)> {
        until("the reports are there", PATIENCE, || {
            let mut reports = self.reports(api, namespace);
            reports.sort_by(|one, other| one.0.cmp(&other.0));
            let names: Vec<&str> = reports.iter().map(|(name, _)| name.as_str()).collect();
            yes(names == objects, format!("{names:?}")).map(|()| reports)
        })
    }
}

/// A pod that works on the orders.
fn carrier(namespace: &str, name: &str, spec: Value) -> Value {
    let mut pod = pod(namespace, name, &json!({"app": "orders"}), spec);
    pod["metadata"]["annotations"] = json!({"note": CANARY});
    pod["spec"]["containers"][0]["env"] = json!([{"name": "PASSWORD", "value": CANARY}]);
    pod
}

fn dropped(stage: &Stage, namespace: &str) {
    let namespace = reference("v1", "Namespace", "", namespace);
    stage.plane.admin.delete(&namespace);
    until("the namespace is gone", PATIENCE, || yes(stage.plane.admin.get(&namespace).is_none(), "it is there"));
}

#[test]
fn reports_follow_what_exists_and_nothing_is_written_without_a_change() {
    let stage = stage();
    let admin = &stage.plane.admin;
    serve(&stage.plane, OPENREPORTS, true);
    let operator = Operator::started(&stage.plane.operator);
    stage.shop("reports-live", &[("home", "fra-1"), ("abroad", "iad-1"), ("gone", "iad-1")]);
    let reports = stage.reported(OPENREPORTS, "reports-live", &["abroad", "gone"]);

    // The fields that readers rely on, as they are stored under the schema.
    let report = &reports[0].1;
    let pod = admin.get(&reference("v1", "Pod", "reports-live", "abroad")).unwrap();
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    assert_eq!(report["metadata"]["name"], format!("domicile-{uid}"));
    assert_eq!(report["metadata"]["ownerReferences"][0]["uid"], uid);
    assert!(report["metadata"]["finalizers"].is_null() && report["scopeSelector"].is_null(), "{report}");
    let scope = json!({"apiVersion": "v1", "kind": "Pod", "namespace": "reports-live", "name": "abroad", "uid": uid});
    assert_eq!([&report["scope"], &report["source"]], [&scope, &json!("domicile")]);
    assert_eq!(report["summary"], json!({"fail": 1, "warn": 0, "pass": 0, "error": 0, "skip": 0}));
    let result = &report["results"][0];
    assert_eq!(
        ["policy", "rule", "category", "result", "severity", "source"].map(|field| result[field].as_str().unwrap()),
        ["law", "RES-PLACE", "Data Residency", "fail", "high", "domicile"]
    );
    assert!(result["timestamp"]["seconds"].as_i64().unwrap() > 1_700_000_000, "{result}");
    let properties = ["channel", "fieldPath", "fromCountry", "toCountry"].map(|key| &result["properties"][key]);
    assert_eq!(properties, ["Process", "spec.nodeName", "DE", "US"]);
    // With all that the API server adds: 500 of them are no more than about a MB.
    assert!(report.to_string().len() < 2500, "{} bytes", report.to_string().len());
    // The words are those of the status.
    let store = admin.get(&reference(OURS, "DataStore", "reports-live", "orders")).unwrap();
    let sentence = store["status"]["findings"][0]["message"].as_str().unwrap();
    let message = result["message"].as_str().unwrap();
    assert!(
        message.contains(sentence) && !message.to_lowercase().contains("compliant"),
        "{message} has not {sentence}"
    );

    // Nothing changes, whatever is done to what nobody judges.
    let before = stage.quiet();
    for round in 0..5 {
        let note = json!({"metadata": {"annotations": {"note": format!("{CANARY}-{round}")}}});
        for name in ["abroad", "home"] {
            admin.patch(&reference("v1", "Pod", "reports-live", name), &note).ok();
        }
        admin.patch(&reference("v1", "Node", "", "iad-1"), &note).ok();
    }
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(&stage.writes()[before.len()..], [] as [String; 0]);

    // What is added later is written once, and results keep their time.
    let since = result["timestamp"].clone();
    let writes = stage.writes_of("reports");
    stage.plane.create(
        "
        apiVersion: domicile.dev/v1alpha1
        kind: ResidencyPolicy
        metadata: {name: reports-strict}
        spec: {mode: Audit, match: {origins: [DE]}, residence: {Process: [DE]}}
        ",
    );
    let changed = until("the report tells of both policies", PATIENCE, || {
        let report = admin.get(report).ok_or("no report")?;
        yes(report["summary"]["fail"] == 2, &report["summary"]).map(|()| report)
    });
    let told = |index: usize| [&changed["results"][index]["policy"], &changed["results"][index]["properties"]["mode"]];
    assert_eq!([told(0), told(1)], [["law", "Enforce"], ["reports-strict", "Audit"]]);
    assert_eq!(changed["results"][0]["timestamp"], since);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(stage.writes_of("reports") - writes, 2, "one write for each of two reports");

    // What another hand has changed is put right.
    let emptied = json!({"results": [], "summary": {"fail": 0}});
    admin.patch(report, &emptied).ok();
    until("the report is put right", PATIENCE, || {
        let report = admin.get(report).ok_or("no report")?;
        yes(report["summary"]["fail"] == 2, &report["summary"])
    });

    // The metrics tell the same, without names of objects.
    let metrics = operator.get("/metrics").unwrap();
    for line in [
        "domicile_violations{policy=\"reports-strict\",rule=\"RES-PLACE\"} 2",
        "domicile_policy_info{policy=\"reports-strict\",mode=\"Audit\"} 1",
    ] {
        assert!(metrics.lines().any(|one| one == line), "no {line} in {metrics}");
    }
    assert!(!metrics.contains("reports-live"), "{metrics}");
    crate::chart::alerts::exports_what_is_shown(&metrics);

    // An operator that starts again finds them as they should be.
    let writes = stage.writes_of("reports");
    operator.kill();
    let operator = Operator::started(&stage.plane.operator);
    stage.quiet();
    assert_eq!(stage.writes_of("reports"), writes);

    // It goes with its object, also when nobody is there to take it away.
    admin.delete(&reference("v1", "Pod", "reports-live", "gone"));
    stage.reported(OPENREPORTS, "reports-live", &["abroad"]);
    operator.kill();
    admin.delete(&reference("v1", "Pod", "reports-live", "abroad"));
    // The garbage collector looks for its kinds anew every half minute.
    until("the report is gone", Duration::from_secs(90), || yes(admin.get(report).is_none(), "it is there"));
    assert!(!std::fs::read_to_string(stage.log()).unwrap().contains(CANARY));
    admin.delete(&reference(OURS, "ResidencyPolicy", "", "reports-strict"));
    dropped(&stage, "reports-live");
}

#[test]
fn refused_requests_are_kept_in_a_ring_and_dry_runs_are_not() {
    let stage = stage();
    let admin = &stage.plane.admin;
    serve(&stage.plane, OPENREPORTS, true);
    let operator = Operator::started(&stage.plane.operator);
    stage.shop("reports-refused", &[]);
    let abroad = |name: &str| {
        let mut pod = carrier("reports-refused", name, json!({"nodeSelector": {COUNTRY: "US"}}));
        pod["spec"]["containers"][0]["env"][0]["name"] = json!("API_HOST");
        pod
    };
    let ring = reference(OPENREPORTS, "Report", "reports-refused", "domicile-refused-requests");
    let refused = |pod: &Value, dry: bool| {
        until("the pod is refused", PATIENCE, || {
            let answer = if dry { admin.create_dry(pod) } else { admin.create(pod) };
            yes(answer.refused_by_the_operator(), &answer.body)
        });
    };
    refused(&abroad("dry"), true);
    refused(&abroad("one"), false);
    refused(&abroad("two"), false);
    let names = |report: &Value| -> Vec<String> {
        let results = report["results"].as_array().cloned().unwrap_or_default();
        let mut names: Vec<String> = results.iter().map(|one| one["resources"][0]["name"].to_string()).collect();
        names.dedup();
        names
    };
    let report = until("both are told", PATIENCE, || {
        let report = admin.get(&ring).ok_or_else(|| operator.log_tail())?;
        yes(names(&report) == ["\"one\"", "\"two\""], &report).map(|()| report)
    });
    for result in report["results"].as_array().unwrap() {
        assert_eq!([&result["result"], &result["properties"]["blocked"]], ["fail", "true"]);
        let resource = &result["resources"][0];
        assert_eq!(["apiVersion", "kind", "namespace"].map(|key| &resource[key]), ["v1", "Pod", "reports-refused"]);
    }
    assert!(report["scope"].is_null() && report["metadata"]["finalizers"].is_null(), "{report}");
    assert_eq!(report["summary"]["fail"], report["results"].as_array().unwrap().len());
    assert!(!report.to_string().contains(CANARY), "{report}");

    // The same again is no news, and a restart forgets nothing.
    refused(&abroad("one"), false);
    std::thread::sleep(Duration::from_secs(2));
    let version = |report: &Value| report["metadata"]["resourceVersion"].clone();
    assert_eq!(version(&admin.get(&ring).unwrap()), version(&report));
    operator.kill();
    let _operator = Operator::started(&stage.plane.operator);
    refused(&abroad("three"), false);
    until("all are told", PATIENCE, || {
        let report = admin.get(&ring).ok_or("no report")?;
        yes(names(&report) == ["\"one\"", "\"two\"", "\"three\""], &report)
    });
    dropped(&stage, "reports-refused");
}

#[test]
fn the_api_is_chosen_by_what_is_served_and_is_never_both() {
    let stage = stage();
    let setup = &stage.plane.operator;
    serve(&stage.plane, OPENREPORTS, false);
    serve(&stage.plane, WGPOLICY, false);
    let operator = Operator::started(setup);
    stage.shop("reports-api", &[("abroad", "iad-1")]);
    // Served later, without a restart.
    serve(&stage.plane, WGPOLICY, true);
    let report = stage.reported(WGPOLICY, "reports-api", &["abroad"]).remove(0).1;
    assert!(report["source"].is_null() && report["results"][0]["source"] == "domicile", "{report}");
    // The newer one is preferred, and what stands in the older is taken away.
    serve(&stage.plane, OPENREPORTS, true);
    stage.reported(OPENREPORTS, "reports-api", &["abroad"]);
    stage.reported(WGPOLICY, "reports-api", &[]);
    // And back, when it is gone.
    serve(&stage.plane, OPENREPORTS, false);
    stage.reported(WGPOLICY, "reports-api", &["abroad"]);
    operator.kill();

    let mut none = Setup::new(setup.kubeconfig.clone(), &setup.folder, setup.label_grace_seconds);
    none.arguments = vec!["--report-api=none".to_owned()];
    let _operator = Operator::started(&none);
    stage.reported(WGPOLICY, "reports-api", &[]);
    // Whoever looks for it by the path that readers use finds nothing left.
    assert!(stage.plane.admin.get(&report).is_none(), "{}", path_of(&report));
    dropped(&stage, "reports-api");
}

#[test]
fn a_change_that_concerns_many_objects_is_one_write_each_and_no_storm() {
    const PODS: usize = 60;
    let stage = stage();
    let admin = &stage.plane.admin;
    serve(&stage.plane, OPENREPORTS, true);
    let _operator = Operator::started(&stage.plane.operator);
    let names: Vec<String> = (0..PODS).map(|position| format!("home-{position:02}")).collect();
    stage.shop("reports-many", &names.iter().map(|name| (name.as_str(), "fra-1")).collect::<Vec<_>>());
    stage.quiet();
    let before = stage.writes_of("reports");
    let started = Instant::now();
    stage.plane.create(
        "
        apiVersion: domicile.dev/v1alpha1
        kind: ResidencyPolicy
        metadata: {name: reports-many}
        spec: {mode: Audit, match: {origins: [DE]}, residence: {Process: [FR]}}
        ",
    );
    stage.reported(OPENREPORTS, "reports-many", &names.iter().map(String::as_str).collect::<Vec<_>>());
    // By default 20 a second.
    assert!(started.elapsed() > Duration::from_secs(PODS as u64 / 20 - 1), "{:?}", started.elapsed());
    stage.quiet();
    assert_eq!(stage.writes_of("reports") - before, PODS);
    admin.delete(&reference(OURS, "ResidencyPolicy", "", "reports-many"));
    stage.reported(OPENREPORTS, "reports-many", &[]);
    stage.quiet();
    assert_eq!(stage.writes_of("reports") - before, 2 * PODS);
    dropped(&stage, "reports-many");
}
