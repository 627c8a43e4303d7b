//! Exceptions into the engine's terms, and whether somebody else has approved them.

use jiff::{Timestamp, Unit};
use kube::ResourceExt;

use super::{Problem, Reader};
use crate::api::v1alpha1::{ExceptionApproval, ResidencyException, ResidencyExceptionSpec};
use crate::engine::exception::{Exception, Identity};
use crate::engine::policy::{Policies, Policy};

/// Why an exception is not approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unapproved {
    /// Nobody has written whose request it is, so that nobody can tell that the approver is somebody else.
    NoRequester,
    /// The approver is who asks for it.
    OwnRequest,
    /// Nobody has approved it.
    Missing,
    /// Somebody other than the approver has.
    Stranger,
    /// The specification has changed since.
    Changed,
}

impl Unapproved {
    /// The reason of a condition.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoRequester => "NoRequester",
            Self::OwnRequest => "OwnRequest",
            Self::Missing => "Unapproved",
            Self::Stranger => "NotTheApprover",
            Self::Changed => "ChangedSinceApproval",
        }
    }

    /// The same in a sentence.
    pub fn message(self) -> &'static str {
        match self {
            Self::NoRequester => "spec.requestedBy is empty: whoever writes an exception signs it with their own name",
            Self::OwnRequest => "nobody approves what they ask for: name somebody else in spec.approver",
            Self::Missing => "waits for spec.approver to write status.approval",
            Self::Stranger => "status.approval.by is not spec.approver",
            Self::Changed => "the specification has changed since it was approved; it has to be approved anew",
        }
    }
}

/// Whether the approver has approved an exception as it stands. That it was the approver who wrote so, the API server has seen
/// to.
///
/// # Errors
///
/// Why it is not approved.
pub fn approved(object: &ResidencyException) -> Result<(), Unapproved> {
    let spec = &object.spec;
    let approval = object.status.as_ref().and_then(|status| status.approval.as_ref());
    match (&spec.requested_by, approval) {
        (None, _) => Err(Unapproved::NoRequester),
        (Some(requester), _) if *requester == spec.approver => Err(Unapproved::OwnRequest),
        (_, None) => Err(Unapproved::Missing),
        (_, Some(approval)) if approval.by != spec.approver => Err(Unapproved::Stranger),
        (_, Some(approval)) if Some(approval.generation) != object.metadata.generation => Err(Unapproved::Changed),
        (Some(_), Some(_)) => Ok(()),
    }
}

/// Takes an exception in a file for approved by whom it names: no file shows who has approved what. One that was read from a
/// cluster, with the approval in it, is held to that.
pub fn take_its_word(object: &mut ResidencyException) -> bool {
    let approved = object.status.as_ref().is_some_and(|status| status.approval.is_some());
    if approved {
        return false;
    }
    let generation = *object.metadata.generation.get_or_insert(1);
    let by = object.spec.approver.clone();
    object.spec.requested_by.get_or_insert_with(|| "(the file)".to_owned());
    object.status.get_or_insert_default().approval = Some(ExceptionApproval { by, generation });
    true
}

/// Which policies an exception loosens, and why the others that it names do not let it.
pub fn heard<'a>(exception: &Exception, policies: &'a Policies, now: Timestamp) -> (Vec<&'a str>, Vec<String>) {
    let (mut loosened, mut deaf) = (Vec::new(), Vec::new());
    for policy in policies.iter().filter(|policy| exception.names(&policy.name)) {
        let Policy { name, longest_exception, .. } = policy;
        match longest_exception {
            Some(_) if exception.is_allowed_by(policy, now) => loosened.push(name.as_str()),
            Some(longest) => {
                deaf.push(format!("it lasts longer than the {} days of policy {name}", longest.as_hours() / 24));
            }
            // Where no policy is named, those that allow none are simply not meant.
            None if !exception.policies.is_empty() => deaf.push(format!("policy {name} allows no exceptions")),
            None => {}
        }
    }
    let known = |name: &&String| policies.iter().any(|policy| policy.name == **name);
    deaf.extend(exception.policies.iter().filter(|name| !known(name)).map(|name| format!("there is no policy {name}")));
    (loosened, deaf)
}

/// What an exception asks for that nobody hears now.
pub fn unheard(exception: &Exception, policies: &Policies, now: Timestamp) -> Vec<String> {
    let (loosened, mut deaf) = heard(exception, policies, now);
    let waives = exception.rules.iter().any(|rule| rule.is_the_owners());
    if waives && loosened.is_empty() && deaf.is_empty() {
        deaf.push("no policy allows exceptions".to_owned());
    }
    if exception.expires <= now {
        deaf.push(format!("it has expired on {}", exception.expires));
    }
    deaf
}

/// Reads an exception, approved or not. Instants are whole seconds, as the API server counts them: it begins no earlier and
/// ends no later than written.
///
/// # Errors
///
/// Instants that cannot be read, an end before the beginning, unknown countries.
pub fn exception(object: &ResidencyException) -> Result<Exception, Vec<Problem>> {
    let ResidencyExceptionSpec { scope, policies, approver, starts, expires, .. } = &object.spec;
    let mut reader = Reader::default();
    let to = reader.countries("spec.scope.to", Some(&scope.to));
    let starts = starts.as_ref().and_then(|text| reader.instant("spec.starts", text, jiff::RoundMode::Ceil));
    let expires = reader.instant("spec.expires", expires, jiff::RoundMode::Floor);
    let created = object.metadata.creation_timestamp.as_ref().map(|time| time.0);
    if starts.zip(expires).is_some_and(|(starts, expires)| starts >= expires) {
        reader.0.push(Problem::new("spec.expires", "is not after spec.starts", "let it expire after it has begun"));
    }
    let exception = Exception {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        approver: approver.clone(),
        rules: scope.rules.clone(),
        policies: policies.clone(),
        objects: scope
            .objects
            .iter()
            .map(|one| Identity { group: one.group.clone(), kind: one.kind.clone(), name: one.name.clone() })
            .collect(),
        origins: scope.origins.clone(),
        categories: scope.categories.clone(),
        to,
        since: starts.or(created),
        starts,
        expires: expires.unwrap_or(Timestamp::MIN),
    };
    reader.done(exception)
}

impl Reader {
    fn instant(&mut self, field: &str, text: &str, round: jiff::RoundMode) -> Option<Timestamp> {
        let whole = jiff::TimestampRound::new().smallest(Unit::Second).mode(round);
        let read = text.parse::<Timestamp>().and_then(|instant| instant.round(whole));
        read.map_err(|_| {
            let remedy = "write an instant such as 2027-01-31T23:00:00Z";
            self.0.push(Problem::new(field, "is no instant of time", remedy));
        })
        .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(spec: &Value, approval: &Value) -> ResidencyException {
        let mut whole = json!({
            "scope": {"rules": ["RES-PLACE"], "to": ["NL"]}, "requestedBy": "alice", "approver": "bob",
            "legalBasis": "a contract", "reason": "a move", "expires": "2027-01-31T23:00:00.5Z",
        });
        json_patch::merge(&mut whole, spec);
        let metadata = json!({"name": "a", "namespace": "cx", "generation": 2});
        serde_json::from_value(json!({"metadata": metadata, "spec": whole, "status": {"approval": approval}})).unwrap()
    }

    #[test]
    fn only_the_approver_approves_and_only_what_was_read() {
        let by = |by: &str, generation: i64| json!({"by": by, "generation": generation});
        let (same, nobody, own) = (json!({}), json!({"requestedBy": null}), json!({"requestedBy": "bob"}));
        assert_eq!(approved(&read(&same, &by("bob", 2))), Ok(()));
        assert_eq!(approved(&read(&same, &Value::Null)), Err(Unapproved::Missing));
        assert_eq!(approved(&read(&same, &by("alice", 2))), Err(Unapproved::Stranger));
        assert_eq!(approved(&read(&same, &by("bob", 1))), Err(Unapproved::Changed));
        assert_eq!(approved(&read(&nobody, &by("bob", 2))), Err(Unapproved::NoRequester));
        assert_eq!(approved(&read(&own, &by("bob", 2))), Err(Unapproved::OwnRequest));
    }

    #[test]
    fn instants_are_whole_seconds_on_the_strict_side() {
        let one = exception(&read(&json!({"starts": "2027-01-01T00:00:00.5Z"}), &Value::Null)).unwrap();
        assert_eq!(one.expires.to_string(), "2027-01-31T23:00:00Z");
        assert_eq!(one.starts.unwrap().to_string(), "2027-01-01T00:00:01Z");
        let bad = exception(&read(&json!({"starts": "2028-01-01T00:00:00Z"}), &Value::Null)).unwrap_err();
        assert_eq!(bad[0].field, "spec.expires");
        let bad = exception(&read(&json!({"expires": "tomorrow"}), &Value::Null)).unwrap_err();
        assert_eq!(bad[0].message, "is no instant of time");
    }
}
