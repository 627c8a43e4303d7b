//! Who writes: of all replicas the one that holds a Lease.
//!
//! Admission is answered by every replica; what writes runs under the lease, and stops before anybody else may begin. A
//! lease is taken from another holder only when its record stood still for its whole duration by this process's own
//! monotonic clock, so that clocks need not agree. An identity is one pod's: what starts again in the same pod knows that
//! its predecessor is gone, and goes on at once.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;

use super::FIELD_MANAGER;
use super::configuration::labels;
use super::owner::Owner;
use super::watch::chain;
use crate::state::Shared;

/// Name of the lease, in the operator's namespace.
pub const NAME: &str = "domicile";
/// Others wait so long before they take the lease of a holder that has gone silent.
const DURATION: Duration = Duration::from_secs(10);
/// A holder that could not renew it for so long stops writing. The rest of `DURATION` is for requests on their way.
const GIVE_UP: Duration = Duration::from_secs(6);
/// How often a holder renews, and others look.
const EVERY: Duration = Duration::from_secs(2);
/// After a failure it is tried again sooner.
const RETRY: Duration = Duration::from_millis(500);

/// A lease as it was seen, and since when it has looked so.
#[derive(Debug)]
pub struct Seen {
    record: LeaseSpec,
    since: Instant,
}

/// Whether it is this replica's turn (no client). Notes what it sees.
fn is_free(lease: &LeaseSpec, seen: &mut Option<Seen>, identity: &str, now: Instant) -> bool {
    let holder = lease.holder_identity.as_deref().unwrap_or_default();
    if holder.is_empty() || holder == identity {
        return true;
    }
    match seen {
        Some(Seen { record, since }) if record == lease => {
            let seconds = lease.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
            now.duration_since(*since) >= seconds.map_or(DURATION, Duration::from_secs)
        }
        _ => {
            *seen = Some(Seen { record: lease.clone(), since: now });
            false
        }
    }
}

/// What the lease says once this replica has it (no client).
fn taken(before: Option<&LeaseSpec>, identity: &str, now: Timestamp) -> LeaseSpec {
    let same = before.is_some_and(|before| before.holder_identity.as_deref() == Some(identity));
    let changes = before.and_then(|before| before.lease_transitions).unwrap_or_default();
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
        acquire_time: before.filter(|_| same).and_then(|before| before.acquire_time.clone()).or(Some(MicroTime(now))),
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(if same || before.is_none() { changes } else { changes + 1 }),
        ..LeaseSpec::default()
    }
}

fn params() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref()
}

/// One replica's part in the election.
#[derive(Clone)]
pub struct Election {
    client: Client,
    namespace: String,
    identity: String,
    owner: Owner,
}

/// Why the work ended.
enum End {
    Lost,
    Stopped,
}

impl Election {
    /// Takes part under a name that no other replica has.
    pub fn new(client: Client, namespace: String, identity: String, owner: Owner) -> Self {
        Self { client, namespace, identity, owner }
    }

    fn api(&self) -> Api<Lease> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Does the work whenever this replica holds the lease, and drops it when it no longer does. Gives the lease back and
    /// returns when it is time to stop.
    pub async fn lead<W>(&self, shared: &Shared, mut stopping: watch::Receiver<bool>, work: impl Fn() -> W)
    where
        W: Future<Output = ()>,
    {
        loop {
            let held = tokio::select! {
                held = self.acquire() => held,
                _ = stopping.wait_for(|stopping| *stopping) => return,
            };
            tracing::info!(identity = %self.identity, "leading: this replica writes");
            shared.metrics.leading.set(1);
            // A task of its own: the first look at a large cluster keeps this one busy for longer than a lease waits.
            let mut keeping = tokio::spawn(self.clone().keep(held, stopping.clone()));
            // Whichever branch ends first, the work is dropped before anything else happens; and after a time in which this task
            // was busy, nothing more is written before the lease is looked at.
            let kept = tokio::select! {
                biased;
                kept = &mut keeping => kept.ok(),
                () = work() => None,
            };
            keeping.abort();
            shared.metrics.leading.set(0);
            match kept {
                Some((held, End::Stopped)) => return self.release(held).await,
                Some((_, End::Lost)) | None => {
                    tracing::warn!(identity = %self.identity, "the lease is lost: this replica writes no more");
                }
            }
        }
    }

    /// Returns once the lease is held.
    async fn acquire(&self) -> Held {
        let mut seen = None;
        loop {
            let pause = match tokio::time::timeout(GIVE_UP, self.attempt(&mut seen)).await {
                Ok(Ok(Some(held))) => return held,
                Ok(Ok(None)) => EVERY,
                Ok(Err(error)) => {
                    tracing::warn!(error = %chain(&error), "failed to ask for the lease");
                    RETRY
                }
                Err(_) => {
                    tracing::warn!("failed to ask for the lease: no answer in time");
                    RETRY
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Takes the lease if it is free.
    async fn attempt(&self, seen: &mut Option<Seen>) -> Result<Option<Held>, kube::Error> {
        let api = self.api();
        let params = params();
        let asked = Instant::now();
        let written = if let Some(mut lease) = api.get_opt(NAME).await? {
            let record = lease.spec.clone().unwrap_or_default();
            if !is_free(&record, seen, &self.identity, asked) {
                return Ok(None);
            }
            lease.spec = Some(taken(Some(&record), &self.identity, Timestamp::now()));
            api.replace(NAME, &params, &lease).await
        } else {
            // Without its owner it would stay behind; nothing else depends on that.
            let owner = self.owner.current(&self.client).await.ok().flatten();
            let metadata = ObjectMeta {
                name: Some(NAME.to_owned()),
                labels: Some(labels()),
                owner_references: owner.map(|owner| vec![owner]),
                ..ObjectMeta::default()
            };
            let spec = Some(taken(None, &self.identity, Timestamp::now()));
            api.create(&params, &Lease { metadata, spec }).await
        };
        match written {
            Ok(lease) => Ok(Some(Held { lease, renewed: asked })),
            // Somebody else was faster.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps the lease until it is lost, or until it is time to stop.
    async fn keep(self, mut held: Held, mut stopping: watch::Receiver<bool>) -> (Held, End) {
        let end = tokio::select! {
            () = self.renew(&mut held) => End::Lost,
            _ = stopping.wait_for(|stopping| *stopping) => End::Stopped,
        };
        (held, end)
    }

    /// Renews the lease; returns when it is lost, or could not be renewed for too long.
    async fn renew(&self, held: &mut Held) {
        let api = self.api();
        let params = params();
        let mut pause = EVERY;
        loop {
            let give_up = held.renewed + GIVE_UP;
            let attempt = async {
                tokio::time::sleep(pause).await;
                let asked = Instant::now();
                let mut lease = held.lease.clone();
                lease.spec = Some(taken(lease.spec.as_ref(), &self.identity, Timestamp::now()));
                let answer = api.replace(NAME, &params, &lease).await;
                match answer {
                    // Somebody has written it: another holder, or a hand that leaves ours in place.
                    Err(kube::Error::Api(status)) if status.code == 409 => (asked, api.get(NAME).await),
                    answer => (asked, answer),
                }
            };
            let Ok((asked, answer)) = tokio::time::timeout_at(give_up, attempt).await else {
                tracing::warn!("the lease could not be renewed in time");
                return;
            };
            match answer {
                Ok(lease) => {
                    if holder(&lease) != Some(self.identity.as_str()) {
                        return;
                    }
                    // What was only read again is not renewed yet.
                    let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
                    let before = held.lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
                    pause = if renewed > before {
                        held.renewed = asked;
                        EVERY
                    } else {
                        Duration::ZERO
                    };
                    held.lease = lease;
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "failed to renew the lease");
                    pause = RETRY;
                }
            }
        }
    }

    /// Gives the lease back, so that another replica need not wait until it expires.
    async fn release(&self, held: Held) {
        let expires = held.renewed + DURATION;
        match tokio::time::timeout_at(expires, self.give_back(held.lease)).await {
            Ok(true) => tracing::info!("the lease is given back"),
            Ok(false) => tracing::info!("the lease has another holder already"),
            Err(_) => tracing::warn!("failed to give the lease back: it has expired by itself"),
        }
    }

    /// Whether it was still ours. Tries until it is answered.
    async fn give_back(&self, mut lease: Lease) -> bool {
        let api = self.api();
        let params = params();
        loop {
            if let Some(spec) = &mut lease.spec {
                spec.holder_identity = None;
                spec.renew_time = Some(MicroTime(Timestamp::now()));
            }
            let answer = match api.replace(NAME, &params, &lease).await {
                // A renewal that was on its way when it was time to stop has arrived first.
                Err(kube::Error::Api(status)) if status.code == 409 => match api.get(NAME).await {
                    Ok(now) if holder(&now) != Some(self.identity.as_str()) => return false,
                    Ok(now) => {
                        lease = now;
                        continue;
                    }
                    Err(error) => Err(error),
                },
                answer => answer.map(drop),
            };
            match answer {
                Ok(()) => return true,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "failed to give the lease back");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}

/// The lease in our hands.
#[derive(Debug)]
struct Held {
    lease: Lease,
    /// When the last request that renewed it was sent.
    renewed: Instant,
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use axum::http::{Method, Request, Response};
    use http_body_util::BodyExt as _;
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;

    /// An API server that knows one lease, and asks for its newest version in every change.
    fn server(stored: &Arc<Mutex<Lease>>) -> Client {
        let stored = stored.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let stored = stored.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let mut stored = stored.lock().unwrap();
                let (code, answer) = if head.method == Method::GET {
                    (200, serde_json::to_value(&*stored).unwrap())
                } else {
                    let sent: Lease = serde_json::from_slice(&body).unwrap();
                    if sent.metadata.resource_version == stored.metadata.resource_version {
                        *stored = written(sent);
                        (200, serde_json::to_value(&*stored).unwrap())
                    } else {
                        let status = json!({"status": "Failure", "reason": "Conflict", "code": 409, "message": ""});
                        (409, status)
                    }
                };
                let answer = Body::from(Value::to_string(&answer).into_bytes());
                Ok::<_, Infallible>(Response::builder().status(code).body(answer).unwrap())
            }
        });
        Client::new(service, "domicile-system")
    }

    /// A lease, once more.
    fn written(mut lease: Lease) -> Lease {
        let before = lease.metadata.resource_version.and_then(|version| version.parse::<u64>().ok());
        lease.metadata.resource_version = Some((before.unwrap_or_default() + 1).to_string());
        lease
    }

    fn election(client: Client) -> Election {
        Election::new(client, "domicile-system".into(), "me".into(), Owner::new(None))
    }

    #[tokio::test]
    async fn a_lease_is_given_back_also_when_a_renewal_arrives_before_and_never_when_it_is_anothers() {
        let metadata = ObjectMeta { name: Some(NAME.into()), ..ObjectMeta::default() };
        let known = written(Lease { metadata, spec: Some(held_by("me", 1)) });
        for (since, left) in [(Some("me"), None), (Some("another"), Some("another")), (None, None)] {
            let mut there = written(known.clone());
            there.spec.as_mut().unwrap().holder_identity = since.map(str::to_owned);
            let stored = Arc::new(Mutex::new(there));
            let given = election(server(&stored)).give_back(known.clone()).await;
            assert_eq!((given, holder(&stored.lock().unwrap())), (since == Some("me"), left), "{since:?}");
        }
    }

    fn held_by(identity: &str, second: i64) -> LeaseSpec {
        taken(None, identity, Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn a_lease_is_taken_from_another_only_after_it_stood_still_for_its_duration() {
        let (mut seen, start) = (None, Instant::now());
        let first = held_by("other", 1);
        assert!(!is_free(&first, &mut seen, "me", start));
        assert!(!is_free(&first, &mut seen, "me", start + DURATION - Duration::from_millis(1)));
        // A sign of life begins the wait anew, whatever time it names.
        let renewed = held_by("other", 0);
        assert!(!is_free(&renewed, &mut seen, "me", start + DURATION));
        assert!(!is_free(&renewed, &mut seen, "me", start + DURATION * 2 - Duration::from_millis(1)));
        assert!(is_free(&renewed, &mut seen, "me", start + DURATION * 2));
    }

    #[test]
    fn a_lease_that_was_given_back_or_is_ones_own_is_free_at_once() {
        let mut given_back = held_by("other", 1);
        given_back.holder_identity = None;
        assert!(is_free(&given_back, &mut None, "me", Instant::now()));
        assert!(is_free(&held_by("me", 1), &mut None, "me", Instant::now()));
    }

    #[test]
    fn a_holder_stops_before_anybody_else_may_begin() {
        // The longest that a request sent just before giving up may still be on its way.
        assert!(GIVE_UP + EVERY < DURATION);
    }

    #[test]
    fn changes_of_the_holder_are_counted_and_renewals_are_not() {
        let first = held_by("other", 1);
        assert_eq!(first.lease_transitions, Some(0));
        let second = taken(Some(&first), "me", Timestamp::from_second(2).unwrap());
        assert_eq!((second.lease_transitions, &second.acquire_time), (Some(1), &second.renew_time));
        let renewed = taken(Some(&second), "me", Timestamp::from_second(3).unwrap());
        assert_eq!((renewed.lease_transitions, &renewed.acquire_time), (Some(1), &second.acquire_time));
        assert_ne!(renewed.renew_time, second.renew_time);
    }
}
