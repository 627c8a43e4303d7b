//! The condition `LocationMismatch` (no client): a store is elsewhere than its owner says, by where its pods run and its volumes
//! lie. Nodes that get another label and volumes that move are seen by watches, so that it follows them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Set, count, set};
use crate::api::v1alpha1::{DataStore, DataStoreStatus, ObservedPlace};
use crate::controllers::events::{self, Draft};
use crate::index::UNKNOWN;
use crate::state::Shared;

/// The condition, and the reason of its Event.
const KIND: &str = "LocationMismatch";

/// Whether a store is elsewhere than its owner says. That is no matter of what is allowed: it may be wrong in the better
/// direction, and then the declaration, on which the law is asked, wants to be put right.
pub(super) fn condition(declared: &str, places: &[ObservedPlace]) -> Set {
    let is_unknown = |one: &&ObservedPlace| one.country == UNKNOWN;
    let elsewhere: Vec<&ObservedPlace> =
        places.iter().filter(|one| one.country != declared && !is_unknown(one)).collect();
    let number = |places: &mut dyn Iterator<Item = &ObservedPlace>| {
        let (pods, claims) = places.fold((0, 0), |(pods, claims), one| (pods + one.pods, claims + one.claims));
        format!("{} and {}", count(pods, "pod", "pods"), count(claims, "claim", "claims"))
    };
    if !elsewhere.is_empty() {
        let each = |one: &&ObservedPlace| format!("{} in {}", number(&mut std::iter::once(*one)), one.country);
        let seen: Vec<String> = elsewhere.iter().map(each).collect();
        let message = format!("spec.residence says {declared}; seen elsewhere: {}", seen.join(", "));
        return set(KIND, true, "SeenElsewhere", message);
    }
    let unknown = places.iter().filter(is_unknown).count();
    if places.is_empty() {
        set(KIND, false, "NothingSeen", "no pod runs and no claim is bound by which to tell")
    } else if unknown > 0 {
        let unknown = number(&mut places.iter().filter(is_unknown));
        let message = format!("nothing is seen elsewhere than in {declared}; where {unknown} are is not known");
        set(KIND, false, "PartlyUnknown", message)
    } else {
        set(KIND, false, "AsDeclared", format!("every pod and claim is in {declared}, as declared"))
    }
}

/// Tells that a store is elsewhere than declared, when that is news.
pub(super) fn tell(shared: &Shared, object: &DataStore, status: &DataStoreStatus) {
    let told = |conditions: &[Condition]| {
        let found = conditions.iter().find(|one| one.type_ == KIND && one.status == "True");
        found.map(|one| one.message.clone())
    };
    let Some(now) = told(&status.conditions) else { return };
    let before = object.status.as_ref().and_then(|status| told(&status.conditions));
    if before.as_ref() == Some(&now) {
        return;
    }
    let metadata = &object.metadata;
    let regarding = events::own("DataStore", metadata.namespace.as_ref(), metadata.name.as_ref(), metadata.uid.clone());
    let note = format!("{now}. To fix: move them, or correct spec.residence");
    shared.tell(Draft { regarding, related: None, warning: true, action: "Audit", reason: KIND, note });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(places: &[(&str, i64, i64)]) -> (bool, &'static str, String) {
        let place = |(country, pods, claims): &(&str, i64, i64)| ObservedPlace {
            country: (*country).to_owned(),
            evidence: None,
            pods: *pods,
            claims: *claims,
        };
        let places: Vec<ObservedPlace> = places.iter().map(place).collect();
        let Set { kind, status, reason, message } = condition("DE", &places);
        assert_eq!(kind, "LocationMismatch");
        (status, reason, message)
    }

    #[test]
    fn a_store_that_is_elsewhere_than_declared_says_where() {
        let (status, reason, message) = told(&[("DE", 3, 1), ("FR", 1, 0), ("DE/FR", 0, 2), (UNKNOWN, 1, 0)]);
        assert!(status);
        assert_eq!(
            (reason, message.as_str()),
            (
                "SeenElsewhere",
                "spec.residence says DE; seen elsewhere: 1 pod and 0 claims in FR, 0 pods and 2 claims in DE/FR"
            )
        );
    }

    #[test]
    fn what_is_not_seen_is_not_said_to_be_as_declared() {
        assert_eq!(told(&[("DE", 3, 1)]), (false, "AsDeclared", "every pod and claim is in DE, as declared".into()));
        let (status, reason, message) = told(&[("DE", 3, 1), (UNKNOWN, 0, 1)]);
        assert!(!status && reason == "PartlyUnknown" && message.ends_with("where 0 pods and 1 claim are is not known"));
        assert_eq!(told(&[]).1, "NothingSeen");
    }
}
