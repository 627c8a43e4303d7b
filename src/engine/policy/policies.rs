//! All policies at once: which of them limit what, and what they leave together.

use std::sync::Arc;

use jiff::Timestamp;

use super::meaning::{Law, Prepared, Resolved};
use super::{Asker, Policy, covered};
use crate::engine::country::{Country, CountrySet};
use crate::engine::data::{Data, Source};
use crate::engine::exception::{Exception, Exceptions, Subject};
use crate::engine::facts::Act;
use crate::engine::law::reach::{reach, reach_of_region};
use crate::engine::law::transfer::sooner;
use crate::engine::lawbook::Lawbook;

/// All policies, in the order of their names, so that the order in which they arrived never matters.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    list: Vec<Policy>,
    exceptions: Exceptions,
    prepared: Option<Prepared>,
}

/// What one policy leaves of all countries.
#[derive(Debug, Clone, Copy)]
pub struct Leaves {
    /// With the exceptions that are about what is judged.
    pub allowed: CountrySet,
    /// By itself.
    pub own: CountrySet,
    /// Whether its list says `Law`, which no exception widens.
    pub stands_on_law: bool,
}

impl Policies {
    /// Sorts the policies by name; of two with one name the later replaces the earlier.
    pub fn new(policies: impl IntoIterator<Item = Policy>) -> Self {
        let mut list: Vec<Policy> = Vec::new();
        for policy in policies {
            match list.binary_search_by(|have| have.name.cmp(&policy.name)) {
                Ok(at) => list[at] = policy,
                Err(at) => list.insert(at, policy),
            }
        }
        Self { list, exceptions: Exceptions::default(), prepared: None }
    }

    /// Adds what somebody has approved against them.
    #[must_use]
    pub fn except(self, exceptions: impl IntoIterator<Item = Exception>) -> Self {
        Self { exceptions: Exceptions::new(exceptions), ..self }
    }

    /// What somebody has approved against them.
    pub fn exceptions(&self) -> &Exceptions {
        &self.exceptions
    }

    /// Works out ahead what the words mean under this lawbook from `now` on.
    #[must_use]
    pub fn prepare(mut self, lawbook: &Arc<Lawbook>, now: Timestamp) -> Self {
        let resolved = self.list.iter().map(|policy| Resolved::new(policy, lawbook, now)).collect();
        let until = lawbook.next_change(now);
        let members = lawbook.blocs().fold(CountrySet::EMPTY, |all, bloc| all.union(bloc.free(now)));
        let known = lawbook.jurisdictions().filter_map(|law| Country::parse(&law.code).ok()).collect();
        let reaches = members.union(&known).iter().map(|origin| (origin, reach(origin, lawbook, now))).collect();
        self.prepared = Some(Prepared { lawbook: lawbook.clone(), from: now, until, resolved, reaches });
        self
    }

    /// The law as these policies read it, for one decision.
    pub fn law<'a>(&'a self, lawbook: &'a Lawbook, now: Timestamp) -> Law<'a> {
        Law::new(lawbook, now, self.ahead(lawbook, now))
    }

    /// The same for one object, with the exceptions that may be about it.
    pub fn law_for<'a>(&'a self, subject: Option<&'a Subject>, lawbook: &'a Lawbook, now: Timestamp) -> Law<'a> {
        self.law(lawbook, now).excepting(self.exceptions.concerning(subject, now))
    }

    /// The policies that ask something of stores and flows with data of these origins and categories. Data of unknown
    /// origin is covered by all.
    pub fn asking<'a>(
        &'a self,
        origins: &'a CountrySet,
        categories: &'a [String],
        law: &'a Law<'_>,
    ) -> impl Iterator<Item = &'a Policy> {
        let asking = self.list.iter().enumerate().filter(|(_, policy)| policy.asks());
        asking
            .map(move |(position, policy)| {
                let covers = match law.ahead {
                    Some(prepared) => prepared.resolved[position].covers,
                    None => covered(policy, law.lawbook, law.now),
                };
                (policy, covers)
            })
            .filter(move |(policy, covers)| {
                (origins.is_empty() || origins.intersects(covers)) && policy.covers_categories(categories)
            })
            .map(|(policy, _)| policy)
    }

    /// The first instant at which time alone may change what any policy allows for data.
    pub fn holds_until(&self, data: &[Arc<Data>], law: &Law<'_>) -> Option<Timestamp> {
        let mut until = sooner(law.lawbook.next_bloc_change(law.now), law.excepting.until());
        for one in data {
            for origin in &one.origins {
                until = sooner(until, law.reach(origin).1);
            }
            for region in &one.regions {
                until = sooner(until, reach_of_region(region, law.lawbook, law.now).1);
            }
            for matter in &one.carriers {
                until = sooner(until, law.carrier(matter).until);
            }
        }
        until
    }

    /// The policies by name.
    pub fn iter(&self) -> impl Iterator<Item = &Policy> {
        self.list.iter()
    }

    fn ahead(&self, lawbook: &Lawbook, now: Timestamp) -> Option<&Prepared> {
        self.prepared.as_ref().filter(|prepared| {
            std::ptr::eq(Arc::as_ptr(&prepared.lawbook), lawbook)
                && prepared.from <= now
                && prepared.until.is_none_or(|until| now < until)
        })
    }

    /// Whether any policy limits the act for this data.
    pub fn cover(&self, act: (Act, Asker), data: &Data, law: &Law<'_>) -> bool {
        match law.ahead {
            Some(prepared) => {
                let mut each = prepared.resolved.iter().zip(&self.list);
                each.any(|(resolved, policy)| resolved.allowed(policy, act, data, law).is_some())
            }
            None => self
                .list
                .iter()
                .any(|policy| Resolved::new(policy, law.lawbook, law.now).allowed(policy, act, data, law).is_some()),
        }
    }

    /// The policies that cover this data, whatever they limit. Data of unknown origin is covered by all.
    pub fn covering<'a>(&'a self, data: &'a Data, law: &'a Law<'_>) -> impl Iterator<Item = &'a Policy> {
        self.list
            .iter()
            .enumerate()
            .filter(|(position, policy)| {
                let covers = match law.ahead {
                    Some(prepared) => prepared.resolved[*position].covers,
                    None => covered(policy, law.lawbook, law.now),
                };
                policy.covers_categories(&data.categories)
                    && (data.unknown_origin.is_some() || data.origins.intersects(&covers))
            })
            .map(|(_, policy)| policy)
    }

    /// Visits every policy that limits the act for any of the data, by name, with what it leaves.
    pub fn limits<'a>(
        &'a self,
        act: (Act, Asker),
        data: &[Arc<Data>],
        law: &Law<'_>,
        mut visit: impl FnMut(&'a Policy, Leaves),
    ) {
        // Data that another binds at least as much adds nothing: a store in a namespace that is labelled as well. Where there
        // are exceptions, the one may be bound less than it was.
        let excepts = !law.excepting.is_empty();
        let strictest: Vec<&Data> = data
            .iter()
            .enumerate()
            .filter(|(position, one)| {
                excepts || !data.iter().enumerate().any(|(at, other)| other.rules(one, at < *position))
            })
            .map(|(_, one)| &**one)
            .collect();
        let beside: Vec<&Source> = if excepts { data.iter().map(|one| &one.via).collect() } else { Vec::new() };
        for (position, policy) in self.list.iter().enumerate() {
            let made;
            let resolved = if let Some(prepared) = law.ahead {
                &prepared.resolved[position]
            } else {
                made = Resolved::new(policy, law.lawbook, law.now);
                &made
            };
            let stands_on_law = resolved.list(policy, act).is_some_and(|list| list.law);
            let widens = excepts && !stands_on_law;
            let widened = |own: CountrySet, data: &Data| {
                if widens { own.union(&law.excepting.widening(policy, data, &beside, law.at())) } else { own }
            };
            let each = strictest.iter().filter_map(|data| {
                let own = resolved.allowed(policy, act, data, law)?;
                Some(Leaves { allowed: widened(own, data), own, stands_on_law })
            });
            let all = each.reduce(|all, one| Leaves {
                allowed: all.allowed.intersection(&one.allowed),
                own: all.own.intersection(&one.own),
                ..all
            });
            if let Some(leaves) = all {
                visit(policy, leaves);
            }
        }
    }
}
