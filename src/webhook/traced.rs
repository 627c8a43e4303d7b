//! What spans tell of a review: which object was asked about, how long what took, and what came of it. Names and kinds, rules and
//! verdicts; never what the object holds, who asks, or a message.

use std::collections::BTreeSet;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tracing::Span;
use tracing::field::Empty;

use super::admit::{Phase, Scope};
use super::review::Asked;
use crate::interpret::Judgement;
use crate::telemetry::spans::{TARGET, note};

/// The span of a review; disabled while nobody listens. It is a child of the one that the API server names.
#[derive(Debug)]
pub struct Trace(Span);

impl<S: Sync> FromRequestParts<S> for Trace {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let span = tracing::info_span!(
            target: TARGET, parent: None, "review",
            "otel.kind" = "server",
            // One of the few that there are: a request to another one has been turned away before.
            "otel.name" = parts.uri.path(),
            "otel.status_code" = Empty,
            "k8s.namespace.name" = Empty,
            "k8s.pod.name" = Empty,
            "k8s.object.group" = Empty,
            "k8s.object.kind" = Empty,
            "k8s.object.name" = Empty,
            "domicile.phase" = Empty,
            "domicile.scope" = Empty,
            "domicile.operation" = Empty,
            "domicile.subresource" = Empty,
            "domicile.dry_run" = Empty,
            "domicile.verdict" = Empty,
            "domicile.rules" = Empty,
            "domicile.policies" = Empty,
            "domicile.decision.id" = Empty,
        );
        #[cfg(feature = "otlp")]
        crate::telemetry::otlp::continue_from(&span, &parts.headers);
        #[cfg(not(feature = "otlp"))]
        let _ = parts;
        Ok(Self(span))
    }
}

/// A part of a review that takes time, from here until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Step {
    _span: Span,
}

impl Trace {
    /// Nobody listens.
    fn is_off(&self) -> bool {
        self.0.is_disabled()
    }

    /// The request is read.
    pub fn decode(&self) -> Step {
        Step { _span: tracing::info_span!(target: TARGET, parent: &self.0, "decode") }
    }

    /// The object is judged.
    pub fn decide(&self) -> Step {
        Step { _span: tracing::info_span!(target: TARGET, parent: &self.0, "decide") }
    }

    /// The review waits until the watches have brought this.
    pub fn wait(&self, what: &'static str) -> Step {
        Step { _span: tracing::info_span!(target: TARGET, parent: &self.0, "wait", "domicile.awaits" = what) }
    }

    /// What is asked.
    pub fn asked(&self, phase: Phase, scope: Scope, asked: &Asked<'_>) {
        if self.is_off() {
            return;
        }
        let Self(span) = self;
        note(span, "domicile.phase", phase.name());
        note(span, "domicile.scope", scope.name());
        note(span, "domicile.operation", asked.operation_name());
        note(span, "domicile.subresource", &asked.sub_resource);
        span.record("domicile.dry_run", asked.dry_run);
        note(span, "k8s.namespace.name", &asked.namespace);
        note(span, "k8s.object.group", &asked.kind.group);
        note(span, "k8s.object.kind", &asked.kind.kind);
        note(span, "k8s.object.name", &asked.name);
        if asked.kind.is_pod() {
            note(span, "k8s.pod.name", &asked.name);
        }
    }

    /// What came of it.
    pub fn judged(&self, verdict: &'static str, judgement: Option<&Judgement>) {
        if self.is_off() {
            return;
        }
        let Self(span) = self;
        note(span, "domicile.verdict", verdict);
        let findings = || judgement.into_iter().flat_map(|judgement| &judgement.verdict.findings);
        let rules: BTreeSet<&str> = findings().map(|finding| finding.rule).collect();
        let policies: BTreeSet<&str> = findings().filter_map(|finding| finding.policy.as_deref()).collect();
        note(span, "domicile.rules", &rules.into_iter().collect::<Vec<_>>().join(","));
        note(span, "domicile.policies", &policies.into_iter().collect::<Vec<_>>().join(","));
    }

    /// By which id the decision log has it.
    pub fn is_recorded(&self, id: &str) {
        note(&self.0, "domicile.decision.id", id);
    }

    /// It was not answered as a review.
    pub fn failed(&self) {
        note(&self.0, "otel.status_code", "ERROR");
    }
}
