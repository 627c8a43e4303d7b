//! Keeps the status of exceptions, and tells when one is about to expire and when it has. The approval in the same status is
//! the approver's: what is written here leaves it as it is.

use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::FIELD_MANAGER;
use super::events::{self, Draft};
use super::status::{Set, conditions, count, set};
use super::watch::chain;
use crate::api::v1alpha1::{ResidencyException, ResidencyExceptionStatus};
use crate::index::{ExceptionReport, Hearing};
use crate::state::Shared;

/// What the statuses should be, for those that are not so already (no client).
pub fn plan(reports: Vec<ExceptionReport>, now: Timestamp) -> Vec<(ResidencyException, ResidencyExceptionStatus)> {
    reports.into_iter().filter_map(|report| status(report, now)).collect()
}

fn status(report: ExceptionReport, now: Timestamp) -> Option<(ResidencyException, ResidencyExceptionStatus)> {
    let ExceptionReport { object, hearing, waived, risks, ends_within, next: _ } = report;
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation;
    let sets = judged(&hearing).into_iter().chain([honoured(&hearing, waived + risks)]).collect();
    let status = ResidencyExceptionStatus {
        approval: before.approval.clone(),
        observed_generation: generation,
        waived: Some(waived),
        risks: Some(risks),
        ends_within,
        conditions: conditions(&before.conditions, generation, sets, now),
    };
    (object.status.as_ref() != Some(&status)).then_some((object, status))
}

/// Ready, Reconciling and Stalled. One that waits for its approver is well; one that can never count is not.
fn judged(hearing: &Hearing) -> Vec<Set> {
    match hearing {
        Hearing::Invalid(problems) => super::status::judged(problems),
        _ => super::status::judged(&[]),
    }
}

fn honoured(hearing: &Hearing, findings: i64) -> Set {
    const KIND: &str = "Honoured";
    match hearing {
        Hearing::Invalid(_) => set(KIND, false, "Invalid", "it cannot be read"),
        Hearing::Expired(on) => set(KIND, false, "Expired", format!("it has expired on {on}")),
        Hearing::Unguarded => {
            let message = "the operator runs without guards, so that nobody sees to it who approves what";
            set(KIND, false, "Unguarded", message)
        }
        Hearing::Unapproved(why) => set(KIND, false, why.reason(), why.message()),
        Hearing::NotYet(starts) => set(KIND, false, "NotYet", format!("it begins on {starts}")),
        Hearing::NotAllowed(why) => {
            let too_long = why.iter().any(|one| one.contains("lasts longer"));
            set(KIND, false, if too_long { "TooLong" } else { "NotAllowed" }, why.join("; "))
        }
        Hearing::Honoured { until, policies, deaf } => {
            let reason = if findings == 0 { "NothingMatches" } else { "Honoured" };
            let mut parts = vec![format!("until {until}")];
            if !policies.is_empty() {
                parts.push(format!("loosens {}", policies.join(", ")));
            }
            parts.push(match findings {
                0 => "nothing that exists is found by its rules now".to_owned(),
                many => format!("about {} now", count(many, "finding", "findings")),
            });
            parts.extend(deaf.iter().cloned());
            set(KIND, true, reason, parts.join("; "))
        }
    }
}

/// Reason, whether somebody should look at it, and the sentence.
type Told = (&'static str, bool, String);

/// What has become of an exception since its status was last written.
fn told(object: &ResidencyException, status: &ResidencyExceptionStatus) -> Option<Told> {
    let honoured = |status: &ResidencyExceptionStatus| {
        let mut conditions = status.conditions.iter();
        conditions.find(|one| one.type_ == "Honoured").map(|one| (one.status == "True", one.reason.clone()))
    };
    let before = object.status.as_ref();
    let counted = before.and_then(honoured).is_some_and(|(counted, _)| counted);
    let (counts, reason) = honoured(status)?;
    let expires = &object.spec.expires;
    let approver = &object.spec.approver;
    if counted && reason == "Expired" {
        let note = format!("expired on {expires}: what it waived is refused again; approved by {approver}");
        return Some(("ExceptionExpired", true, note));
    }
    let known = before.and_then(|before| before.ends_within.as_ref());
    let within = status.ends_within.as_ref().filter(|within| counts && known != Some(within))?;
    let note = format!("expires within {within}, on {expires}; what it waives will be refused then");
    Some(("ExceptionExpiring", true, note))
}

/// Tells what has become of exceptions.
pub fn tell(shared: &Shared, statuses: &[(ResidencyException, ResidencyExceptionStatus)]) {
    for (object, status) in statuses {
        let Some((reason, warning, note)) = told(object, status) else { continue };
        let metadata = &object.metadata;
        let (space, name) = (metadata.namespace.as_ref(), metadata.name.as_ref());
        let regarding = events::own("ResidencyException", space, name, metadata.uid.clone());
        shared.tell(Draft { regarding, related: None, warning, action: "Reconcile", reason, note });
    }
}

/// The status without the approval, as it is merged into what is there.
fn merged(status: &ResidencyExceptionStatus) -> Value {
    let ResidencyExceptionStatus { approval: _, observed_generation, waived, risks, ends_within, conditions } = status;
    json!({"status": {
        "observedGeneration": observed_generation, "waived": waived, "risks": risks, "endsWithin": ends_within,
        "conditions": conditions,
    }})
}

/// Writes statuses that have changed (client); false if something has to be tried again.
pub async fn apply(client: &Client, statuses: Vec<(ResidencyException, ResidencyExceptionStatus)>) -> bool {
    let mut done = true;
    for (object, status) in statuses {
        let (space, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let api: Api<ResidencyException> = Api::namespaced(client.clone(), &space);
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        match api.patch_status(&name, &params, &Patch::Merge(merged(&status))).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => {
                tracing::warn!(namespace = space, name, error = %chain(&error), "failed to write the status of an exception");
                done = false;
            }
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    fn exception(status: Option<ResidencyExceptionStatus>) -> ResidencyException {
        let mut object: ResidencyException = serde_json::from_value(json!({
            "metadata": {"name": "a", "namespace": "cx", "generation": 1},
            "spec": {
                "scope": {"rules": ["RES-PLACE"], "to": ["NL"]}, "approver": "bob", "legalBasis": "a contract",
                "reason": "a move", "expires": "1970-01-31T00:00:00Z",
            },
        }))
        .unwrap();
        object.status = status;
        object
    }

    fn report(object: ResidencyException, hearing: Hearing, ends_within: Option<&str>) -> ExceptionReport {
        let ends_within = ends_within.map(str::to_owned);
        ExceptionReport { object, hearing, waived: 1, risks: 0, ends_within, next: None }
    }

    #[test]
    fn each_lead_time_and_the_end_are_told_once() {
        let end = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 30);
        let heard = || Hearing::Honoured { until: end, policies: vec!["strict".into()], deaf: Vec::new() };
        let steps = [
            (heard(), None, None),
            (heard(), Some("PT168H"), Some("ExceptionExpiring")),
            (heard(), Some("PT168H"), None),
            (heard(), Some("PT24H"), Some("ExceptionExpiring")),
            (Hearing::Expired(end), None, Some("ExceptionExpired")),
            (Hearing::Expired(end), None, None),
        ];
        let mut now = None;
        for (hearing, within, wanted) in steps {
            let mut planned = plan(vec![report(exception(now.clone()), hearing, within)], Timestamp::UNIX_EPOCH);
            let Some((object, status)) = planned.pop() else {
                assert_eq!(wanted, None);
                continue;
            };
            assert_eq!(told(&object, &status).map(|(reason, ..)| reason), wanted);
            now = Some(status);
        }
    }

    #[test]
    fn what_is_written_says_nothing_of_the_approval() {
        let approval = crate::api::v1alpha1::ExceptionApproval { by: "bob".into(), generation: 1 };
        let status = ResidencyExceptionStatus { approval: Some(approval), ..ResidencyExceptionStatus::default() };
        assert!(merged(&status)["status"].get("approval").is_none());
    }
}
