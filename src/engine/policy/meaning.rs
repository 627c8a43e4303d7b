//! What the words of policies mean at one time under one lawbook: sets of countries.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Asker, Check, Policy, Term, covered};
use crate::engine::country::{Country, CountrySet};
use crate::engine::data::Data;
use crate::engine::exception::{At, Excepting};
use crate::engine::facts::Act;
use crate::engine::law::matter::Matter;
use crate::engine::law::opinion;
use crate::engine::law::reach::{reach, reach_of_region};
use crate::engine::lawbook::Lawbook;

/// The law at one time, with what was worked out of it ahead, and what is worked out of it during one decision.
#[derive(Debug)]
pub struct Law<'a> {
    /// The law.
    pub lawbook: &'a Lawbook,
    /// The time.
    pub now: Timestamp,
    pub(super) ahead: Option<&'a Prepared>,
    carried: RefCell<Vec<(Arc<Matter>, Carried)>>,
    /// The exceptions that may matter to what is judged.
    pub(in crate::engine) excepting: Excepting<'a>,
}

/// Where a declaration carries data, and until when that is so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carried {
    places: CountrySet,
    pub until: Option<Timestamp>,
}

/// Where law lets data of each origin be by itself, and until when that is so.
pub(super) type Reaches = BTreeMap<Country, (CountrySet, Option<Timestamp>)>;

impl<'a> Law<'a> {
    pub(super) fn new(lawbook: &'a Lawbook, now: Timestamp, ahead: Option<&'a Prepared>) -> Self {
        Self { lawbook, now, ahead, carried: RefCell::default(), excepting: Excepting::default() }
    }

    /// The same law with these exceptions.
    pub(super) fn excepting(self, excepting: Excepting<'a>) -> Self {
        Self { excepting, ..self }
    }

    /// The same law without the exceptions that are in force.
    pub(in crate::engine) fn without_exceptions(&self) -> Self {
        Self { excepting: self.excepting.none_in_force(), ..Self::new(self.lawbook, self.now, self.ahead) }
    }

    /// What exceptions ask.
    pub(in crate::engine) fn at(&self) -> At<'a> {
        At { lawbook: self.lawbook, now: self.now }
    }

    pub(super) fn reach(&self, origin: Country) -> (CountrySet, Option<Timestamp>) {
        let ahead = self.ahead.and_then(|ahead| ahead.reaches.get(&origin)).copied();
        ahead.unwrap_or_else(|| reach(origin, self.lawbook, self.now))
    }

    /// Each declaration is looked at once a decision, however many policies ask.
    pub(super) fn carrier(&self, matter: &Arc<Matter>) -> Carried {
        let known = |all: &[(Arc<Matter>, Carried)]| {
            all.iter().find(|(known, _)| Arc::ptr_eq(known, matter)).map(|(_, carried)| *carried)
        };
        if let Some(carried) = known(&self.carried.borrow()) {
            return carried;
        }
        let opinion = opinion::opinion(matter, self.lawbook, self.now);
        let carried = Carried { places: opinion::carried(matter, &opinion), until: opinion.until };
        self.carried.borrow_mut().push((matter.clone(), carried));
        carried
    }

    /// Where the declarations that come with data let it be beyond that, as far as they are about what `concerns` says:
    /// what carries data of one origin says nothing of another's.
    fn carried(&self, data: &Data, concerns: impl Fn(&Matter) -> bool) -> CountrySet {
        let carriers = data.carriers.iter().filter(|matter| concerns(matter));
        carriers.fold(CountrySet::EMPTY, |all, one| all.union(&self.carrier(one).places))
    }
}

/// A policy's words as sets of countries, at one time under one lawbook.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    /// Origins that it covers.
    pub covers: CountrySet,
    /// For each act what may be where.
    acts: [Option<Allowance>; Act::ALL.len()],
}

/// A list of places.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Allowance {
    /// Countries and blocs.
    fixed: CountrySet,
    /// The data's own origin.
    origin: bool,
    /// Wherever law lets it go.
    pub law: bool,
}

impl Resolved {
    pub fn new(policy: &Policy, lawbook: &Lawbook, now: Timestamp) -> Self {
        let covers = covered(policy, lawbook, now);
        let allowance = |terms: &Vec<Term>| {
            let mut allowance = Allowance::default();
            for term in terms {
                match term {
                    Term::Origin => allowance.origin = true,
                    Term::Law => allowance.law = true,
                    Term::Country(country) => allowance.fixed.insert(*country),
                    // A bloc that the lawbook does not know names no country: a word that nobody understands must not
                    // allow anything.
                    Term::Bloc(code) => {
                        if let Some(bloc) = lawbook.bloc(code) {
                            allowance.fixed = allowance.fixed.union(bloc.members(now));
                        }
                    }
                }
            }
            allowance
        };
        Self { covers, acts: policy.residence.each_ref().map(|terms| terms.as_ref().map(allowance)) }
    }

    /// The list of places for an act, if the policy limits it.
    pub fn list(&self, policy: &Policy, (act, asker): (Act, Asker)) -> Option<Allowance> {
        // Where the law itself is asked about transfers, places are not limited beside it. It cannot be asked about somebody
        // who declares nothing: they may be wherever it lets the data go.
        let unlisted = match asker {
            Asker::Object => Allowance { fixed: CountrySet::FULL, ..Allowance::default() },
            Asker::Person => Allowance { law: true, ..Allowance::default() },
        };
        let asks = matches!(act, Act::Transfer | Act::Access) && policy.checks.contains(&Check::Transfer);
        self.acts[act.index()].or(asks.then_some(unlisted))
    }

    pub fn allowed(&self, policy: &Policy, asked: (Act, Asker), data: &Data, law: &Law<'_>) -> Option<CountrySet> {
        // Most policies cover other origins, which is the quickest to tell.
        if data.unknown_origin.is_none() && !data.origins.intersects(&self.covers) {
            return None;
        }
        let Allowance { fixed, origin: own, law: lawful } = self.list(policy, asked)?;
        if !policy.covers_categories(&data.categories) {
            return None;
        }
        if data.unknown_origin.is_some() {
            return Some(CountrySet::EMPTY);
        }
        let mut allowed: Option<CountrySet> = None;
        let mut and = |named: CountrySet| {
            allowed = Some(allowed.map_or(named, |before: CountrySet| before.intersection(&named)));
        };
        for origin in &data.origins.intersection(&self.covers) {
            let mut named = fixed;
            if own {
                named.insert(origin);
            }
            if lawful {
                let carried = law.carried(data, |matter| matter.answers_for(origin));
                named = named.union(&law.reach(origin).0).union(&carried);
            }
            and(named);
        }
        for region in data.regions.iter().filter(|_| lawful) {
            let carried = law.carried(data, |matter| matter.regions.contains(region));
            and(fixed.union(&reach_of_region(region, law.lawbook, law.now).0).union(&carried));
        }
        allowed
    }
}

/// What the policies' words mean, worked out ahead for a time in which no law changes. It only saves work: a decision
/// under another lawbook or at another time works it out anew.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub lawbook: Arc<Lawbook>,
    pub from: Timestamp,
    pub until: Option<Timestamp>,
    pub resolved: Vec<Resolved>,
    pub reaches: Reaches,
}
