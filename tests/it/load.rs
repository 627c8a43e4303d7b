//! Streams of creations, fifty a second together, while something happens to the operator.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::plane::{COUNTRY, Plane, pod};
use crate::poll::{PATIENCE, until, yes};

/// Each of the three streams creates so often.
const EVERY: Duration = Duration::from_millis(60);

/// What came of one creation.
pub struct Sample {
    pub answer: Answer,
    pub took: Duration,
}

/// What came of each stream.
pub struct Outcome {
    /// Pods with personal data for a node abroad.
    pub leaking: Vec<Sample>,
    /// Pods with personal data that may be kept at home, as dry runs.
    pub compliant: Vec<Sample>,
    /// Pods that are none of the operator's business.
    pub elsewhere: Vec<Sample>,
}

/// Running streams.
pub struct Load {
    stop: Arc<AtomicBool>,
    streams: [JoinHandle<Vec<Sample>>; 3],
}

impl Load {
    /// Begins in two new namespaces, once the operator knows the protected one.
    pub fn start(plane: &Plane, name: &str) -> Self {
        let [protected, elsewhere] = [format!("{name}-protected"), format!("{name}-elsewhere")];
        plane.namespace(&protected, &json!({"domicile.dev/origin": "DE"}));
        plane.namespace(&elsewhere, &json!({}));
        let abroad = |name: &str| pod(&protected, name, &json!({}), json!({"nodeSelector": {COUNTRY: "US"}}));
        until("the operator judges in the protected namespace", PATIENCE, || {
            let answer = plane.admin.create_dry(&abroad("first"));
            yes(answer.code == 403, answer.body)
        });
        let stop = Arc::new(AtomicBool::new(false));
        let stream = |manifest: Value, dry: bool| {
            let (client, stop) = (plane.admin.clone(), stop.clone());
            std::thread::spawn(move || create_until_told(&client, manifest, dry, &stop))
        };
        let streams = [
            stream(abroad("leak"), false),
            stream(pod(&protected, "kept", &json!({}), json!({})), true),
            // Bound to no node that exists, so that nobody else is kept busy.
            stream(pod(&elsewhere, "web", &json!({}), json!({"nodeName": "none"})), false),
        ];
        Self { stop, streams }
    }

    pub fn finish(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        let [leaking, compliant, elsewhere] = self.streams.map(|stream| stream.join().unwrap());
        Outcome { leaking, compliant, elsewhere }
    }
}

fn create_until_told(client: &Client, mut manifest: Value, dry: bool, stop: &AtomicBool) -> Vec<Sample> {
    let metadata = manifest["metadata"].as_object_mut().unwrap();
    let name = metadata.remove("name").unwrap();
    metadata.insert("generateName".to_owned(), format!("{}-", name.as_str().unwrap()).into());
    let mut samples = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        let answer = if dry { client.create_dry(&manifest) } else { client.create(&manifest) };
        samples.push(Sample { answer, took: started.elapsed() });
        std::thread::sleep(EVERY.saturating_sub(started.elapsed()));
    }
    samples
}

impl Outcome {
    /// Whatever happened to the operator: nothing leaks, what is admitted is kept at home, and nobody else is concerned.
    #[track_caller]
    pub fn nothing_leaked_and_nothing_else_was_lost(&self) {
        for sample in &self.leaking {
            assert!(matches!(sample.answer.code, 403 | 500), "{}: {}", sample.answer.code, sample.answer.body);
        }
        for sample in self.compliant.iter().filter(|sample| sample.answer.code == 201) {
            let affinity = &sample.answer.body["spec"]["affinity"]["nodeAffinity"];
            let required = &affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
            assert!(required.is_array(), "it may run anywhere: {}", sample.answer.body);
        }
        for sample in &self.elsewhere {
            assert_eq!(sample.answer.code, 201, "{}", sample.answer.body);
        }
        assert!(!self.leaking.is_empty() && !self.elsewhere.is_empty());
    }

    /// No review failed: each was answered, and rightly.
    #[track_caller]
    pub fn every_review_was_answered(&self) {
        self.nothing_leaked_and_nothing_else_was_lost();
        let streams = [(&self.leaking, 403), (&self.compliant, 201)];
        for (samples, code) in streams {
            let failed = samples.iter().filter(|sample| sample.answer.code != code);
            let failed: Vec<String> = failed.map(|sample| sample.answer.body.to_string()).collect();
            assert!(failed.is_empty(), "{} of {} reviews failed: {}", failed.len(), samples.len(), failed[0]);
        }
    }

    /// For people.
    pub fn print(&self, what: &str) {
        let admitted = self.compliant.iter().filter(|sample| sample.answer.code == 201).count();
        println!(
            "{what}: {} leaking refused, {admitted} of {} compliant admitted, {} elsewhere; p99 elsewhere {:?}, p99 protected {:?}",
            self.leaking.len(),
            self.compliant.len(),
            self.elsewhere.len(),
            p99(&self.elsewhere),
            p99(&self.compliant),
        );
    }
}

/// The time that one in a hundred exceeds.
pub fn p99(samples: &[Sample]) -> Duration {
    let mut times: Vec<Duration> = samples.iter().map(|sample| sample.took).collect();
    times.sort_unstable();
    times.get((times.len() * 99 / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}
