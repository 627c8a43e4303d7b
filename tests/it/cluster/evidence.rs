//! The decision log of a running operator: kills do not break it, refusals can be looked up in it, and nothing of what
//! objects hold gets into it.

use std::path::Path;
use std::process::{Command, Output};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::client::reference;
use crate::operator::{Operator, Setup};
use crate::plane::{alone, pod};
use crate::poll::{PATIENCE, until, yes};

/// Planted where no log has any business.
const CANARY: &str = "canary-4711";

fn evidence(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_domicile")).arg("evidence").args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The id in the message of a refusal.
fn id(message: &str) -> String {
    let (_, rest) = message.rsplit_once("(decision ").unwrap_or_else(|| panic!("no decision in: {message}"));
    rest.trim_end_matches(')').to_owned()
}

/// A deployment whose pods are told things that nobody else should know.
fn deployment(namespace: &str, name: &str, region: &str) -> Value {
    let hidden = format!("postgres://{CANARY}:{CANARY}@{CANARY}.example.org/{CANARY}");
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "annotations": {"note": CANARY}},
        "spec": {
            "replicas": 0, "selector": {"matchLabels": {"app": "survey"}},
            "template": {
                "metadata": {"labels": {"app": "survey"}, "annotations": {"note": CANARY}},
                "spec": {
                    "nodeSelector": {"topology.kubernetes.io/region": region},
                    "containers": [{
                        "name": "app", "image": "example.org/app", "args": [format!("--token={CANARY}")],
                        "env": [
                            {"name": "PASSWORD", "value": CANARY}, {"name": "DATABASE_URL", "value": hidden},
                            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "answers", "key": "token"}}},
                        ],
                    }],
                },
            },
        },
    })
}

#[test]
fn a_log_outlives_kills_and_explains_refusals_and_holds_nothing_of_what_objects_hold() {
    let plane = alone();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("decisions.jsonl");
    let mut setup: Setup = plane.operator.replica("recorder", 0);
    setup.front = None;
    setup.arguments = vec!["--decision-log".to_owned(), log.to_str().unwrap().to_owned()];

    let mut ids = Vec::new();
    for life in ["first", "second"] {
        let operator = Operator::started(&setup);
        let namespace = format!("evidence-{life}");
        plane.namespace(&namespace, &json!({}));
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "answers", "namespace": namespace},
            "stringData": {"token": CANARY},
        });
        plane.admin.create(&secret).ok();
        plane.create(&format!(
            "
            apiVersion: domicile.dev/v1alpha1
            kind: DataStore
            metadata: {{name: answers, namespace: {namespace}}}
            spec:
              origins: [DE]
              workloads: {{selector: {{matchLabels: {{app: survey}}}}}}
              secrets: [answers]
            "
        ));
        plane.enforced(&namespace, "answers");

        let refused = until("a deployment abroad is refused", PATIENCE, || {
            let answer = plane.admin.create_dry(&deployment(&namespace, "abroad", "us-east-2"));
            if answer.refused_by_the_operator() { Ok(answer) } else { Err(answer.body) }
        });
        let dry = id(refused.message());
        let refused = plane.admin.create(&deployment(&namespace, "abroad", "us-east-2"));
        assert_eq!(refused.code, 403, "{}", refused.body);
        ids.push(id(refused.message()));
        assert_ne!(ids.last(), Some(&dry), "each request is decided by itself");
        // Allowed, as far as the place goes; what it is told to call is unknown and refused as well, without being named.
        let mut inside = deployment(&namespace, "inside", "eu-central-1");
        inside["spec"]["template"]["spec"]["containers"][0]["env"].as_array_mut().unwrap().remove(1);
        plane.admin.create(&inside).ok();
        // Its secret alone brings it into scope, which only the webhook sees: it is pinned there.
        let by_secret = json!({"containers": [{
            "name": "app", "image": "example.org/app", "env": [
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "answers", "key": "token"}}},
                {"name": "PASSWORD", "value": CANARY},
            ],
        }]});
        plane.admin.create(&pod(&namespace, "by-secret", &json!({}), by_secret)).ok();
        until("all of it is recorded", PATIENCE, || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let own = |outcome: &str| {
                let is = |line: &str| line.contains(&namespace) && line.contains(outcome);
                text.lines().any(is)
            };
            let wanted =
                [r#""dryRun":true"#, r#""outcome":"Refuse""#, r#""outcome":"Allow""#, r#""outcome":"Rewrite""#];
            let missing: Vec<_> = wanted.into_iter().filter(|outcome| !own(outcome)).collect();
            yes(missing.is_empty(), format!("{missing:?}: {}", operator.log_tail()))
        });
        if life == "first" {
            operator.kill();
        } else {
            operator.terminate();
            assert!(operator.wait().success());
        }
    }

    let key = folder.path().join("signing.pub");
    let keys = plane.admin.get(&reference("v1", "Secret", "domicile-system", "domicile-evidence")).unwrap();
    assert!(keys["metadata"]["ownerReferences"].is_null(), "what was signed outlives the installation");
    let public = base64::engine::general_purpose::STANDARD.decode(keys["data"]["signing.pub"].as_str().unwrap());
    std::fs::write(&key, public.unwrap()).unwrap();
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(!text.contains(CANARY), "{}", text.lines().find(|line| line.contains(CANARY)).unwrap());
    assert!(!text.contains("system:masters") && !text.contains("kubernetes-admin") && text.contains(r#""user":""#));

    let (log, key) = (log.to_str().unwrap(), key.to_str().unwrap());
    let verified = evidence(&["verify", log, "--key", key]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
    assert!(!said(&verified).contains("not vouched for"), "the second life vouches for the first: {}", said(&verified));
    for id in &ids {
        let explained = evidence(&["explain", id, log, "--key", key]);
        let said = said(&explained);
        assert_eq!(explained.status.code(), Some(0), "{said}");
        assert!(said.contains("the same verdict") && said.contains("[RES-PLACE]") && said.contains("abroad"), "{said}");
    }
    changed(log, key);
}

#[test]
fn a_log_on_standard_output_goes_on_from_the_checkpoint_that_the_cluster_keeps() {
    let plane = alone();
    let mut setup: Setup = plane.operator.replica("teller", 0);
    setup.front = None;
    setup.arguments = vec!["--decision-log".to_owned(), "stdout".to_owned()];
    let secret = || plane.admin.get(&reference("v1", "Secret", "domicile-system", "domicile-evidence"));
    let kept = || {
        let data = secret().map(|secret| secret["data"].clone()).unwrap_or_default();
        let members = data.as_object().cloned().unwrap_or_default();
        members.into_iter().filter(|(name, _)| name.starts_with("last.")).collect::<Vec<_>>()
    };
    for life in ["third", "fourth"] {
        let before = kept();
        let operator = Operator::started(&setup);
        let namespace = format!("evidence-{life}");
        plane.namespace(&namespace, &json!({"domicile.dev/origin": "DE"}));
        until("a deployment abroad is refused", PATIENCE, || {
            let answer = plane.admin.create_dry(&deployment(&namespace, "abroad", "us-east-2"));
            yes(answer.code == 403 && answer.message().contains("(decision "), answer.body)
        });
        until("a checkpoint is kept", PATIENCE, || yes(kept() != before, operator.log_tail()));
        operator.kill();
    }
    // As a collector has it: together with what the program says of itself.
    let log = setup.folder.join("teller.log");
    let text = std::fs::read_to_string(&log).unwrap();
    assert_eq!(text.matches(r#""at":"elsewhere"}"#).count(), 1, "the second life follows the first");
    assert!(!text.contains(CANARY));
    let verified = evidence(&["verify", "--mixed", log.to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
}

/// What is told of a log that somebody has changed.
fn changed(log: &str, key: &str) {
    let text = std::fs::read_to_string(log).unwrap();
    let other = Path::new(log).with_extension("changed");
    std::fs::write(&other, text.replacen(r#""outcome":"Refuse""#, r#""outcome":"Allow""#, 1)).unwrap();
    let verified = evidence(&["verify", other.to_str().unwrap(), "--key", key]);
    assert_eq!(verified.status.code(), Some(1), "{}", said(&verified));
    let unknown = evidence(&["explain", "ffffffffffffffff", log]);
    assert_eq!(unknown.status.code(), Some(65), "{}", said(&unknown));
}
