//! The owner's rules, and what each allows for which data.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::country::{Country, CountrySet};
use super::data::{Data, Source};
use super::exception::{At, Excepting, Exception, Exceptions, Subject};
use super::facts::Act;
use super::law::matter::Matter;
use super::law::mechanism::GroundKind;
use super::law::opinion;
use super::law::reach::{reach, reach_of_region};
use super::law::source::Confidence;
use super::law::transfer::sooner;
use super::lawbook::Lawbook;
use super::place::Places;

/// What a rule does when it is broken. Ordered from the mildest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Nothing but a finding in status and reports.
    Audit,
    /// The request passes with a warning.
    Warn,
    /// The request is refused, or rewritten where that is allowed.
    #[default]
    Enforce,
}

/// Whether pods are pinned to allowed countries when they are created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum RewritePods {
    /// Add the required node affinity.
    #[default]
    Always,
    /// Refuse pods that are not pinned by themselves.
    Never,
}

/// Which node label pins pods. Ordered from the weakest demand to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
pub enum PinBy {
    /// The region label where it proves the country of every node concerned, else the country label.
    #[default]
    Auto,
    /// The region label wherever it names no node outside; autoscalers know it on nodes that do not exist yet.
    Region,
    /// The country label that the operator keeps.
    Country,
}

/// Whether the storage class of a new claim may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum RewriteStorage {
    /// Refuse, and name the classes that would do.
    #[default]
    Never,
    /// Replace a class outside by one inside when the claim is created.
    OnCreate,
}

/// A question of law that a policy asks of stores and flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Check {
    /// Whether data that must stay in the country does.
    Localisation,
    /// Whether something carries data that is handed to somebody else across a border.
    Transfer,
    /// Whether people may be contacted.
    Consent,
    /// Whether what was gathered may enter a customer profile.
    Enrichment,
    /// Whether people are answered in time.
    SubjectRights,
}

/// Whether the ways out of a store's workloads are shut but for those that are declared and lawful. Ordered from the weakest
/// demand to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
pub enum Network {
    /// The operator leaves the network alone.
    #[default]
    None,
    /// The operator keeps a `NetworkPolicy` for the workloads of every store.
    Generate,
}

/// Who would do something with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// An object. What a store or flow declares of parties, the law itself is asked about.
    Object,
    /// Somebody who wants to look at the data now. Nobody declares what would carry it to where they are, beyond what is
    /// declared of the data itself.
    Person,
}

/// One word of a policy's lists of places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// The data's own origin.
    Origin,
    /// Whatever the law of the origin lets it reach by itself.
    Law,
    /// A country.
    Country(Country),
    /// A bloc, by its code, with the members it has at the time of the decision.
    Bloc(String),
}

impl Term {
    /// Reads a term. Anything that is neither a keyword nor a country is taken for a bloc's code.
    pub fn parse(text: &str) -> Self {
        match text {
            "Origin" => Self::Origin,
            "Law" => Self::Law,
            other => Country::parse(other).map_or_else(|_| Self::Bloc(other.to_owned()), Self::Country),
        }
    }
}

/// People or programs, and from where they look at data. What a policy declares of them counts like what a `Location`
/// declares of a name: nobody sees where a request really comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accessors {
    /// Groups whose members they are.
    pub groups: Vec<String>,
    /// Names of single users.
    pub users: Vec<String>,
    /// Where all of them may be.
    pub from: Places,
}

impl Accessors {
    /// Whether a user is one of them.
    pub fn include<'a>(&self, name: &str, mut groups: impl Iterator<Item = &'a str>) -> bool {
        self.users.iter().any(|user| user == name) || groups.any(|group| self.groups.iter().any(|known| known == group))
    }
}

/// A policy, read and ready to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name in the cluster.
    pub name: String,
    /// Origins that it covers; empty: all.
    pub origins: Vec<Term>,
    /// Data categories that it covers; empty: all.
    pub categories: Vec<String>,
    /// For each act the places where it may happen; none: this policy does not limit the act.
    pub residence: [Option<Vec<Term>>; Act::ALL.len()],
    /// What an unproven place gets.
    pub unknown_place: Mode,
    /// What a breach gets.
    pub mode: Mode,
    /// Whether pods may be pinned.
    pub rewrite_pods: RewritePods,
    /// By which label.
    pub pin_by: PinBy,
    /// Whether the storage class of a claim may be replaced.
    pub rewrite_storage: RewriteStorage,
    /// Storage classes to prefer as replacements, best first.
    pub preferred_classes: Vec<String>,
    /// Regions to take, the first that fits.
    pub preferred_regions: Vec<PreferredRegion>,
    /// Questions of law that it asks.
    pub checks: Vec<Check>,
    /// What an unknown answer of the law gets.
    pub unknown_law: Mode,
    /// Kinds of grounds that it accepts; none: all.
    pub accepted_grounds: Option<Vec<GroundKind>>,
    /// How sure a ground must be at least.
    pub minimum_confidence: Option<Confidence>,
    /// Countries and blocs from which no party may be controlled.
    pub refuse_controlled_from: Vec<String>,
    /// Who looks at the data by way of its pods, and from where.
    pub access: Vec<Accessors>,
    /// Whether the network of stores is shut.
    pub network: Network,
    /// How long exceptions from it may last; none: it allows none.
    pub longest_exception: Option<SignedDuration>,
}

impl Policy {
    /// Whether the policy covers any of these categories.
    pub fn covers_categories(&self, categories: &[String]) -> bool {
        self.categories.is_empty()
            || categories.is_empty()
            || categories.iter().any(|category| self.categories.iter().any(|rule| is_within(category, rule)))
    }

    /// What this policy allows for the act and the data at `now`; none where it does not cover them.
    pub fn allowed(&self, act: Act, data: &Data, lawbook: &Lawbook, now: Timestamp) -> Option<CountrySet> {
        Resolved::new(self, lawbook, now).allowed(self, (act, Asker::Object), data, &Law::new(lawbook, now, None))
    }

    /// Whether the policy asks anything of stores and flows beside where they are.
    fn asks(&self) -> bool {
        !self.checks.is_empty()
            || self.accepted_grounds.is_some()
            || self.minimum_confidence.is_some()
            || !self.refuse_controlled_from.is_empty()
    }
}

/// The origins that a policy covers at `now`.
fn covered(policy: &Policy, lawbook: &Lawbook, now: Timestamp) -> CountrySet {
    let mut covers = if policy.origins.is_empty() { CountrySet::FULL } else { CountrySet::EMPTY };
    for term in &policy.origins {
        covers = covers.union(&match term {
            Term::Country(country) => CountrySet::only(*country),
            // A word that the lawbook does not know covers everything: the policy then binds more, never less.
            Term::Bloc(code) => lawbook.bloc(code).map_or(CountrySet::FULL, |bloc| *bloc.members(now)),
            Term::Origin | Term::Law => CountrySet::FULL,
        });
    }
    covers
}

/// A region that a policy prefers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreferredRegion {
    /// The provider.
    pub provider: String,
    /// Its own id of the region.
    pub id: String,
}

/// The law at one time, with what was worked out of it ahead, and what is worked out of it during one decision.
#[derive(Debug)]
pub struct Law<'a> {
    /// The law.
    pub lawbook: &'a Lawbook,
    /// The time.
    pub now: Timestamp,
    ahead: Option<&'a Prepared>,
    carried: RefCell<Vec<(Arc<Matter>, Carried)>>,
    /// The exceptions that may matter to what is judged.
    pub(super) excepting: Excepting<'a>,
}

/// Where a declaration carries data, and until when that is so.
#[derive(Debug, Clone, Copy)]
struct Carried {
    places: CountrySet,
    until: Option<Timestamp>,
}

/// Where law lets data of each origin be by itself, and until when that is so.
type Reaches = BTreeMap<Country, (CountrySet, Option<Timestamp>)>;

impl<'a> Law<'a> {
    fn new(lawbook: &'a Lawbook, now: Timestamp, ahead: Option<&'a Prepared>) -> Self {
        Self { lawbook, now, ahead, carried: RefCell::default(), excepting: Excepting::default() }
    }

    /// The same law without the exceptions that are in force.
    pub(super) fn without_exceptions(&self) -> Self {
        Self { excepting: self.excepting.none_in_force(), ..Self::new(self.lawbook, self.now, self.ahead) }
    }

    /// What exceptions ask.
    pub(super) fn at(&self) -> At<'a> {
        At { lawbook: self.lawbook, now: self.now }
    }

    fn reach(&self, origin: Country) -> (CountrySet, Option<Timestamp>) {
        let ahead = self.ahead.and_then(|ahead| ahead.reaches.get(&origin)).copied();
        ahead.unwrap_or_else(|| reach(origin, self.lawbook, self.now))
    }

    /// Each declaration is looked at once a decision, however many policies ask.
    fn carrier(&self, matter: &Arc<Matter>) -> Carried {
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
struct Resolved {
    /// Origins that it covers.
    covers: CountrySet,
    /// For each act what may be where.
    acts: [Option<Allowance>; Act::ALL.len()],
}

/// A list of places.
#[derive(Debug, Clone, Copy, Default)]
struct Allowance {
    /// Countries and blocs.
    fixed: CountrySet,
    /// The data's own origin.
    origin: bool,
    /// Wherever law lets it go.
    law: bool,
}

impl Resolved {
    fn new(policy: &Policy, lawbook: &Lawbook, now: Timestamp) -> Self {
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
    fn list(&self, policy: &Policy, (act, asker): (Act, Asker)) -> Option<Allowance> {
        // Where the law itself is asked about transfers, places are not limited beside it. It cannot be asked about somebody
        // who declares nothing: they may be wherever it lets the data go.
        let unlisted = match asker {
            Asker::Object => Allowance { fixed: CountrySet::FULL, ..Allowance::default() },
            Asker::Person => Allowance { law: true, ..Allowance::default() },
        };
        let asks = matches!(act, Act::Transfer | Act::Access) && policy.checks.contains(&Check::Transfer);
        self.acts[act.index()].or(asks.then_some(unlisted))
    }

    fn allowed(&self, policy: &Policy, asked: (Act, Asker), data: &Data, law: &Law<'_>) -> Option<CountrySet> {
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

/// What the policies' words mean, worked out ahead for a time in which no law changes. It only saves work: a decision
/// under another lawbook or at another time works it out anew.
#[derive(Debug, Clone)]
struct Prepared {
    lawbook: Arc<Lawbook>,
    from: Timestamp,
    until: Option<Timestamp>,
    resolved: Vec<Resolved>,
    reaches: Reaches,
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
        Law { excepting: self.exceptions.concerning(subject, now), ..self.law(lawbook, now) }
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

/// Whether a category is the rule's own or one below it: fideslang keys nest by dots.
pub fn is_within(category: &str, rule: &str) -> bool {
    category.strip_prefix(rule).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_covers_those_below_it_and_no_namesake() {
        assert!(is_within("user.contact.email", "user.contact"));
        assert!(is_within("pd:Opinion", "pd:Opinion"));
        assert!(!is_within("user.contacts", "user.contact"));
        assert!(!is_within("user", "user.contact"));
    }
}
