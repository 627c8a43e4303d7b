//! The API server's own record of what the operator asks for (no client): its audit log, in which it writes down that account's
//! requests only.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use anyhow::Result;
use jiff::Timestamp;
use serde::Deserialize;

/// What the API server is told to write down.
pub const AUDIT_POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata, users: ['system:serviceaccount:domicile-system:domicile']}]
";

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    pub at: Timestamp,
    pub verb: String,
    /// The resource, with the part of it if it is about one; the path, if it is about no resource.
    pub resource: String,
    /// Namespace and name.
    pub object: String,
}

impl Request {
    /// Whether something is to be changed, but for what the operator writes all the time, whatever happens: its lease, and
    /// its webhook configurations every half minute.
    pub fn is_write(&self) -> bool {
        matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection") && !self.is_upkeep()
    }

    fn is_upkeep(&self) -> bool {
        self.resource == "leases" || self.resource.ends_with("webhookconfigurations")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stage: String,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    request_received_timestamp: Timestamp,
    object_ref: Option<ObjectRef>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

/// The record as far as it was read.
#[derive(Debug)]
pub struct Record {
    path: PathBuf,
    read: u64,
    rest: Vec<u8>,
    requests: Vec<Request>,
}

impl Record {
    pub fn new(path: PathBuf) -> Self {
        Self { path, read: 0, rest: Vec::new(), requests: Vec::new() }
    }

    /// Every request so far, in the order of their answers.
    pub fn requests(&mut self) -> Result<&[Request]> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.read))?;
        self.read += u64::try_from(file.read_to_end(&mut self.rest)?)?;
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let lines: Vec<u8> = self.rest.drain(..whole).collect();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Line { stage, verb, request_uri, request_received_timestamp, object_ref } =
                serde_json::from_slice(line)?;
            // A watch is told twice: when it begins, and when it ends.
            let counts = if verb == "watch" { "ResponseStarted" } else { "ResponseComplete" };
            if stage != counts {
                continue;
            }
            let (resource, object) = match object_ref {
                Some(ObjectRef { resource, subresource, namespace, name }) if !resource.is_empty() => {
                    let part = if subresource.is_empty() { subresource } else { format!("/{subresource}") };
                    (format!("{resource}{part}"), format!("{namespace}/{name}"))
                }
                _ => (request_uri, String::new()),
            };
            self.requests.push(Request { at: request_received_timestamp, verb, resource, object });
        }
        Ok(&self.requests)
    }

    /// How many requests there are so far: where to go on from.
    pub fn mark(&mut self) -> Result<usize> {
        Ok(self.requests()?.len())
    }

    /// What was to be changed since a mark.
    pub fn writes_since(&mut self, mark: usize) -> Result<Vec<Request>> {
        Ok(self.requests()?[mark..].iter().filter(|request| request.is_write()).cloned().collect())
    }
}

/// How many requests there are for each resource, the most first, for people.
pub fn by_resource<'a>(requests: impl IntoIterator<Item = &'a Request>) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for request in requests {
        *counts.entry(format!("{} {}", request.verb, request.resource)).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let rest: usize = counts.iter().skip(8).map(|(_, count)| count).sum();
    let mut told: Vec<String> = counts.iter().take(8).map(|(what, count)| format!("{count} {what}")).collect();
    if rest > 0 {
        told.push(format!("{rest} others"));
    }
    told.join(", ")
}

/// How often the object was written that was written most often.
pub fn most_writes(writes: &[Request], resource: impl Fn(&str) -> bool) -> usize {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for write in writes.iter().filter(|write| resource(&write.resource)) {
        *counts.entry((&write.resource, &write.object)).or_default() += 1;
    }
    counts.into_values().max().unwrap_or_default()
}
