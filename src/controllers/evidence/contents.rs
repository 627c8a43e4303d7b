//! What the Secret holds (no client).

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde::{Deserialize, Serialize};

use crate::compile::MANAGED_BY;
use crate::evidence::digest::Digest;
use crate::evidence::key::Keys;
use crate::evidence::record::Follows;

/// The private key that signs, in PEM.
const PRIVATE: &str = "signing.key";
/// The public key, in PEM: what people verify by.
const PUBLIC: &str = "signing.pub";
/// The key of the users' hashes.
const USERS: &str = "users.key";
/// How the names of checkpoints begin.
const MARKS: &str = "last.";
/// How many replicas' checkpoints are kept: far more than ever run, and the names of pods change.
const MOST_MARKS: usize = 16;

/// The last checkpoint of a replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When it was kept.
    pub time: Timestamp,
    /// The checkpoint.
    pub follows: Follows,
}

/// Whether the operator made this Secret. What somebody else made is never overwritten.
pub fn is_own(secret: &Secret) -> bool {
    let labels = secret.metadata.labels.as_ref();
    labels.and_then(|labels| labels.get(MANAGED_BY.0)).is_some_and(|value| value == MANAGED_BY.1)
}

/// The keys in it, if they can be read.
pub fn keys(secret: &Secret) -> Option<Keys> {
    let data = secret.data.as_ref()?;
    let private = std::str::from_utf8(&data.get(PRIVATE)?.0).ok()?;
    Keys::read(private, &data.get(USERS)?.0).ok()
}

/// Keys as data.
pub fn data(keys: &Keys) -> BTreeMap<String, ByteString> {
    let entry = |key: &str, value: Vec<u8>| (key.to_owned(), ByteString(value));
    BTreeMap::from([
        entry(PRIVATE, keys.private().into_bytes()),
        entry(PUBLIC, keys.public().pem().into_bytes()),
        entry(USERS, keys.users().to_vec()),
    ])
}

/// The name of a replica's checkpoint: names of replicas may hold what names of data may not.
fn name(replica: &str) -> String {
    format!("{MARKS}{}", Digest::of(replica.as_bytes()).short())
}

/// The last checkpoint of a replica.
pub fn mark(secret: &Secret, replica: &str) -> Option<Follows> {
    let mark = secret.data.as_ref()?.get(&name(replica))?;
    Some(serde_json::from_slice::<Mark>(&mark.0).ok()?.follows)
}

/// The Secret with a checkpoint more, and without the oldest where there are many.
pub fn marked(secret: &Secret, replica: &str, mark: &Mark) -> Secret {
    let mut secret = secret.clone();
    let data = secret.data.get_or_insert_default();
    data.insert(name(replica), ByteString(serde_json::to_vec(mark).unwrap_or_default()));
    let mut marks: Vec<(Option<Timestamp>, String)> = data
        .iter()
        .filter(|(name, _)| name.starts_with(MARKS))
        .map(|(name, value)| (serde_json::from_slice::<Mark>(&value.0).ok().map(|mark| mark.time), name.clone()))
        .collect();
    marks.sort_unstable();
    for (_, name) in &marks[..marks.len().saturating_sub(MOST_MARKS)] {
        data.remove(name);
    }
    secret
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::record::Place;

    fn mark_at(second: i64) -> Mark {
        let follows = Follows { chain: "a".into(), seq: 7, digest: Digest::ZERO, at: Place::Elsewhere };
        Mark { time: Timestamp::from_second(second).unwrap(), follows }
    }

    #[test]
    fn keys_and_checkpoints_are_read_as_they_were_written() {
        let keys = Keys::make().unwrap();
        let secret = Secret { data: Some(data(&keys)), ..Secret::default() };
        assert_eq!(super::keys(&secret).unwrap().public(), keys.public());
        assert_eq!(mark(&secret, "one"), None);
        let secret = marked(&secret, "one", &mark_at(1));
        assert_eq!(mark(&secret, "one"), Some(mark_at(1).follows));
        assert_eq!(super::keys(&secret).unwrap().public(), keys.public());
    }

    #[test]
    fn checkpoints_of_replicas_long_gone_go() {
        let mut secret = Secret::default();
        for second in 0..40 {
            secret = marked(&secret, &format!("replica-{second}"), &mark_at(second));
        }
        assert_eq!(secret.data.as_ref().unwrap().len(), MOST_MARKS);
        assert!(mark(&secret, "replica-0").is_none() && mark(&secret, "replica-39").is_some());
    }
}
