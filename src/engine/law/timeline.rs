//! What is so over time: a question that is asked at every instant at which its answer may change.

use jiff::Timestamp;
use serde::Serialize;

use super::transfer::sooner;

/// Something that is so for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Span<T> {
    /// First instant.
    pub from: Timestamp,
    /// First instant at which it is so no more; none: nothing that is known ends it.
    pub until: Option<Timestamp>,
    /// What is so.
    #[serde(flatten)]
    pub state: T,
}

/// More answers than any law and any claim give reason for: whoever says that every instant is another one is stopped.
const MOST: usize = 20_000;

/// Asks from `from` until `until` what is so, at the instants that are `known` to matter and at those that the answers
/// name themselves. Neighbours that say the same become one.
pub fn walk<T: PartialEq>(
    from: Timestamp,
    until: Option<Timestamp>,
    known: &[Timestamp],
    mut ask: impl FnMut(Timestamp) -> (T, Option<Timestamp>),
) -> Vec<Span<T>> {
    let mut spans: Vec<Span<T>> = Vec::new();
    let mut at = from;
    for _ in 0..MOST {
        if until.is_some_and(|until| until <= at) {
            break;
        }
        let (state, holds_until) = ask(at);
        let law = known.get(known.partition_point(|instant| *instant <= at)).copied();
        let next = sooner(law, holds_until.filter(|next| *next > at));
        let end = sooner(next, until);
        match spans.last_mut() {
            Some(last) if last.state == state => last.until = end,
            _ => spans.push(Span { from: at, until: end, state }),
        }
        let Some(next) = next else { break };
        at = next;
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_stays_the_same_is_one_span() {
        let known = [at(10), at(20), at(30)];
        let spans = walk(at(0), None, &known, |now| (now < at(20), None));
        let ends: Vec<_> = spans.iter().map(|span| (span.from, span.until, span.state)).collect();
        assert_eq!(ends, [(at(0), Some(at(20)), true), (at(20), None, false)]);
    }

    #[test]
    fn answers_name_instants_of_their_own() {
        let spans = walk(at(0), Some(at(8)), &[], |now| (now < at(5), (now < at(5)).then_some(at(5))));
        let ends: Vec<_> = spans.iter().map(|span| (span.from, span.until, span.state)).collect();
        assert_eq!(ends, [(at(0), Some(at(5)), true), (at(5), Some(at(8)), false)]);
    }

    #[test]
    fn nothing_is_asked_after_the_end() {
        assert!(walk(at(8), Some(at(8)), &[], |_| ((), None)).is_empty());
    }
}
