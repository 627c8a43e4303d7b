//! Which reports have to be written or deleted (no client): what the audit found against what stands there.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::DynamicObject;
use kube::core::ObjectMeta;
use kube::{ResourceExt, core::TypeMeta};
use serde_json::Value;

use super::api::ReportApi;
use super::contents::{Contents, Stamp, id};
use super::{Part, labels};
use crate::index::{Audit, Judged, Name, Subject};

/// A report that stands there, as far as it matters for whether it has to be written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    digest: u64,
    /// When each of its results was seen first.
    since: BTreeMap<String, Stamp>,
    /// Whether it will go with its object.
    owned: bool,
    /// Its version, by which an echo of what was written before is told from news.
    version: u64,
}

/// Reports by namespace and name.
pub type Reports = BTreeMap<Name, Present>;

/// What to do about one report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Write it, about this object of the audit.
    Write(usize),
    /// There is nothing to say any more.
    Delete,
}

impl Present {
    /// Reads what stands there. What cannot be read differs from everything that is wanted.
    pub fn read(report: &DynamicObject) -> Self {
        let contents: Contents = serde_json::from_value(report.data.clone()).unwrap_or_default();
        let since = contents.results.iter().map(|entry| (id(entry).to_owned(), entry.timestamp)).collect();
        let uid = contents.scope.as_ref().and_then(|scope| scope.uid.as_deref());
        let owned = report.owner_references().iter().any(|owner| Some(owner.uid.as_str()) == uid);
        // API servers number their versions; one that does not has nothing but news.
        let version = report.resource_version().and_then(|version| version.parse().ok()).unwrap_or_default();
        Self { digest: contents.digest(), since, owned, version }
    }

    /// Whether it says something else than what was known, which it follows.
    pub fn is_news(&self, known: Option<&Self>) -> bool {
        let says = |one: &Self| (one.digest, one.owned, one.since.clone());
        known.is_none_or(|known| says(known) != says(self))
    }

    /// Whether it was written before what is known.
    pub fn is_older(&self, known: Option<&Self>) -> bool {
        known.is_some_and(|known| self.version < known.version)
    }
}

/// Where the report on an object stands: beside it, under a name that no other object ever has.
pub fn key(subject: &Subject) -> Name {
    (subject.namespace.clone(), format!("domicile-{}", subject.uid))
}

/// What to do, in the order of the keys, beginning after `last`: who is cut off goes on where it was, so that changes which
/// come all the time do not keep the last in the row waiting for ever.
pub fn plan(audit: &Audit, present: &Reports, api: ReportApi, last: Option<&Name>) -> Vec<(Name, Step)> {
    let mut steps: BTreeMap<Name, Step> = present.keys().map(|key| (key.clone(), Step::Delete)).collect();
    for (position, judged) in audit.objects.iter().enumerate().filter(|(_, judged)| !judged.subject.uid.is_empty()) {
        let key = key(&judged.subject);
        let stands =
            present.get(&key).is_some_and(|there| there.owned && there.digest == Contents::of(judged, api).digest());
        if stands {
            steps.remove(&key);
        } else {
            steps.insert(key, Step::Write(position));
        }
    }
    let mut steps: Vec<(Name, Step)> = steps.into_iter().collect();
    let next = steps.partition_point(|(key, _)| last.is_some_and(|last| key <= last));
    steps.rotate_left(next);
    steps
}

/// The report on an object. What stood in it before keeps its time.
pub fn report(judged: &Judged, api: ReportApi, present: &Reports, now: Stamp) -> DynamicObject {
    let Subject { api_version, kind, namespace: _, name, uid } = &judged.subject;
    let key = key(&judged.subject);
    let known = present.get(&key);
    let mut contents = Contents::of(judged, api);
    for entry in &mut contents.results {
        let since = known.and_then(|known| known.since.get(id(entry)));
        entry.timestamp = since.copied().unwrap_or(now);
    }
    let owner = OwnerReference {
        api_version: api_version.clone(),
        kind: kind.clone(),
        name: name.clone(),
        uid: uid.clone(),
        controller: Some(false),
        block_owner_deletion: Some(false),
    };
    object(api, &key, Part::Audit, Some(owner), &contents)
}

/// A report with its metadata.
pub fn object(
    api: ReportApi,
    (namespace, name): &Name,
    part: Part,
    owner: Option<OwnerReference>,
    contents: &Contents,
) -> DynamicObject {
    let resource = api.resource(!namespace.is_empty());
    DynamicObject {
        types: Some(TypeMeta { api_version: resource.api_version, kind: resource.kind }),
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: (!namespace.is_empty()).then(|| namespace.clone()),
            labels: Some(labels(part)),
            owner_references: owner.map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        // A struct of texts and numbers can always be written as JSON.
        data: serde_json::to_value(contents).unwrap_or(Value::Null),
    }
}
