//! What the audit adds to the log.

use std::sync::Arc;

use domicile::controllers::evidence::audit::Audit;
use domicile::evidence::verify::{Between, entries, verify};
use domicile::index::{Index, Object, Which};
use domicile::state::{Clock, Shared};
use serde_json::{Value, json};

use super::{Folder, builtin, inputs};
use crate::client::RUNTIME;

fn apply(shared: &Shared, manifest: Value) {
    shared.index().apply(Object::from_manifest(manifest).unwrap().unwrap());
    shared.publish();
}

/// Judges everything that exists once.
fn sweep(shared: &Arc<Shared>, audit: &mut Audit) {
    let now = shared.now();
    let observed = shared.index().observe_each(Which::All, now, &mut |found| audit.note(found, now));
    audit.forget_others(&observed.audit);
    let basis = shared.world().basis.clone();
    RUNTIME.block_on(audit.tell(shared, &basis));
}

#[test]
fn the_audit_records_an_object_when_its_verdict_is_another_than_before() {
    let folder = Folder::new();
    let (log, running) = folder.start(u64::MAX, folder.keyring());
    let (shared, _events) = Shared::new(Index::new(builtin()), Clock::wall());
    shared.set_decision_log(log);
    let pod = |name: &str, country: &str| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "cx"},
            "spec": {"nodeSelector": {"domicile.node-restriction.kubernetes.io/country": country}, "containers": []},
        })
    };
    let policy = |mode: &str| {
        json!({
            "apiVersion": "domicile.dev/v1alpha1", "kind": "ResidencyPolicy", "metadata": {"name": "law"},
            "spec": {"mode": mode, "residence": {"Process": ["DE"]}},
        })
    };
    let labels = json!({"domicile.dev/origin": "DE"});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cx", "labels": labels}});
    apply(&shared, namespace);
    apply(&shared, policy("Enforce"));
    apply(&shared, pod("inside", "DE"));
    apply(&shared, pod("abroad", "US"));
    let mut audit = Audit::default();
    // Once, and not again while nothing changes.
    sweep(&shared, &mut audit);
    sweep(&shared, &mut audit);
    // Other words of the same policy, and then one under which nothing is wrong: each once.
    apply(&shared, policy("Warn"));
    sweep(&shared, &mut audit);
    sweep(&shared, &mut audit);
    apply(&shared, pod("abroad", "DE"));
    sweep(&shared, &mut audit);
    sweep(&shared, &mut audit);
    running.close();

    let files = folder.files();
    let report = verify(&inputs(&files), Some(&folder.keys.public()), Between::Nothing);
    assert_eq!(report.breaks, Vec::new());
    let inputs = inputs(&files);
    let recorded: Vec<Value> = entries(&inputs)
        .iter()
        .filter(|entry| entry.head.kind == "decision")
        .map(|entry| serde_json::from_slice(entry.text).unwrap())
        .collect();
    let said = |one: &Value| {
        let mode = one["findings"][0]["mode"].as_str().unwrap_or("nothing").to_owned();
        (one["channel"] == "audit", one["object"]["name"].as_str().unwrap().to_owned(), mode)
    };
    let wanted = ["Enforce", "Warn", "nothing"].map(|mode| (true, "abroad".to_owned(), mode.to_owned()));
    assert_eq!(recorded.iter().map(said).collect::<Vec<_>>(), wanted);
}
