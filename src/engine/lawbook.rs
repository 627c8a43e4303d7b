//! The book of law: who belongs to which bloc since when, what each lawgiver says, and what carries data abroad.
//!
//! Time is always an argument. A validity window is half open: `from` is its first instant, `until` the first instant
//! at which it is gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::country::{Country, CountrySet};
use super::law::claims::Channel;
use super::law::condition::Condition;
use super::law::evaluate::covers_purpose;
use super::law::jurisdiction::{ChannelRule, Dated, Jurisdiction, TransferRegime, in_force};
use super::law::mechanism::{EndEffect, Mechanism, MechanismRole, Reach};
use super::law::source::Citation;

/// When something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First instant; none: since ever.
    pub from: Option<Timestamp>,
    /// First instant at which it holds no more; none: still in force.
    pub until: Option<Timestamp>,
}

impl Window {
    /// Whether `at` lies in the window.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }

    fn overlap(self, other: Self) -> Self {
        Self {
            from: self.from.max(other.from),
            until: match (self.until, other.until) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
        }
    }
}

/// One country's membership of a bloc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The member, or a country that is treated as one.
    pub country: Country,
    /// When.
    pub window: Window,
    /// Since when data flows freely to and from this member, if later than in the bloc as a whole.
    pub free_flow_from: Option<Timestamp>,
}

/// A named set of countries with dates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bloc {
    code: String,
    title: String,
    members: Timeline,
    free: Timeline,
    citation: Citation,
}

/// A set of countries that changes at known instants: the set before the first one, then one set for each.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Timeline(Vec<(Timestamp, CountrySet)>);

impl Timeline {
    fn new(windows: &[(Country, Window)]) -> Self {
        let mut instants: Vec<Timestamp> = windows
            .iter()
            .flat_map(|(_, window)| [Some(window.from.unwrap_or(Timestamp::MIN)), window.until])
            .flatten()
            .collect();
        instants.sort_unstable();
        instants.dedup();
        let at = |instant| {
            windows.iter().filter(|(_, window)| window.contains(instant)).map(|(country, _)| *country).collect()
        };
        Self(instants.into_iter().map(|instant| (instant, at(instant))).collect())
    }

    fn at(&self, now: Timestamp) -> &CountrySet {
        match self.0.partition_point(|(instant, _)| *instant <= now) {
            0 => &CountrySet::EMPTY,
            passed => &self.0[passed - 1].1,
        }
    }
}

impl Bloc {
    /// A bloc from its memberships; `free_flow` says when personal data flows freely among them.
    pub fn new(
        code: impl Into<String>,
        title: impl Into<String>,
        memberships: &[Membership],
        free_flow: &[Window],
    ) -> Self {
        let members: Vec<_> = memberships.iter().map(|member| (member.country, member.window)).collect();
        let free: Vec<_> = memberships
            .iter()
            .flat_map(|member| {
                free_flow.iter().map(|flow| {
                    let late = Window { from: member.free_flow_from, until: None };
                    (member.country, member.window.overlap(*flow).overlap(late))
                })
            })
            .filter(|(_, window)| match (window.from, window.until) {
                (Some(from), Some(until)) => from < until,
                _ => true,
            })
            .collect();
        let (members, free) = (Timeline::new(&members), Timeline::new(&free));
        Self { code: code.into(), title: title.into(), members, free, citation: Citation::default() }
    }

    /// Says where the freedom is written.
    #[must_use]
    pub fn written_in(mut self, citation: Citation) -> Self {
        self.citation = citation;
        self
    }

    /// Where the freedom is written.
    pub fn citation(&self) -> &Citation {
        &self.citation
    }

    /// Among whom data flows freely at `now`.
    pub fn free(&self, now: Timestamp) -> &CountrySet {
        self.free.at(now)
    }

    /// The word by which policies call the bloc.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Its full name.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Who belongs to it (or is treated so) at `now`.
    pub fn members(&self, now: Timestamp) -> &CountrySet {
        self.members.at(now)
    }
}

/// The validated law, built-in objects overlaid by the cluster's own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lawbook {
    blocs: BTreeMap<String, Bloc>,
    jurisdictions: BTreeMap<String, Arc<Jurisdiction>>,
    mechanisms: BTreeMap<String, Arc<Mechanism>>,
    /// The mechanisms by role, with every country that they ever concern: most can be passed over at a glance.
    by_role: [Vec<Entry>; 3],
    /// Codes of the blocs that have a law of their own.
    bloc_laws: Vec<String>,
    /// Every instant at which a membership or a freedom changes, sorted.
    bloc_changes: Vec<Timestamp>,
    /// The same for the whole law.
    changes: Vec<Timestamp>,
}

/// A mechanism with every country that it concerns at any time.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    mechanism: Arc<Mechanism>,
    from: CountrySet,
    to: CountrySet,
}

impl Lawbook {
    /// A lawbook. Of two objects with one code or name the later replaces the earlier.
    pub fn new(
        blocs: impl IntoIterator<Item = Bloc>,
        jurisdictions: impl IntoIterator<Item = Arc<Jurisdiction>>,
        mechanisms: impl IntoIterator<Item = Arc<Mechanism>>,
    ) -> Self {
        let mut lawbook = Self {
            blocs: blocs.into_iter().map(|bloc| (bloc.code.clone(), bloc)).collect(),
            jurisdictions: jurisdictions.into_iter().map(|one| (one.code.clone(), one)).collect(),
            mechanisms: mechanisms.into_iter().map(|one| (one.name.clone(), one)).collect(),
            ..Self::default()
        };
        lawbook.bloc_laws = lawbook.jurisdictions().filter(|law| law.is_bloc).map(|law| law.code.clone()).collect();
        lawbook.work_out();
        lawbook
    }

    /// What is derived of the law: mechanisms by role, and the instants at which anything changes.
    fn work_out(&mut self) {
        let ever = |reach: &Reach| {
            if reach.anywhere {
                return CountrySet::FULL;
            }
            let blocs = reach.blocs.iter().filter_map(|code| self.blocs.get(code));
            let sets = blocs.flat_map(|bloc| bloc.members.0.iter().map(|(_, members)| members));
            sets.fold(reach.countries, CountrySet::union)
        };
        let mut by_role: [Vec<Entry>; 3] = Default::default();
        for mechanism in self.mechanisms.values() {
            let (from, to) = (ever(&mechanism.from), ever(&mechanism.to));
            by_role[mechanism.role as usize].push(Entry { mechanism: mechanism.clone(), from, to });
        }
        self.by_role = by_role;
        let mut instants: Vec<Timestamp> = self
            .blocs
            .values()
            .flat_map(|bloc| bloc.members.0.iter().chain(&bloc.free.0).map(|(instant, _)| *instant))
            .collect();
        instants.sort_unstable();
        instants.dedup();
        self.bloc_changes.clone_from(&instants);
        let mut windows = Vec::new();
        let mut conditions: Vec<(&Condition, &jiff::tz::TimeZone)> = Vec::new();
        for mechanism in self.mechanisms.values() {
            windows.push(mechanism.window);
            windows.extend(mechanism.risks.iter().map(|risk| risk.window));
            conditions.extend(mechanism.when.iter().map(|when| (when, &mechanism.zone)));
        }
        for law in self.jurisdictions.values() {
            windows.extend(law.regimes.iter().map(|rule| rule.window));
            windows.extend(law.regimes.iter().map(|one| Window { from: one.rule.enforced_from, until: None }));
            windows.extend(law.localisations.iter().map(|rule| rule.window));
            windows.extend(law.consents.iter().map(|rule| rule.window));
            windows.extend(law.enrichments.iter().map(|rule| rule.window));
            windows.extend(law.rights.iter().map(|rule| rule.window));
            let local = law.localisations.iter().flat_map(|one| [&one.rule.when, &one.rule.demands]);
            let consents = law.consents.iter().flat_map(|one| [&one.rule.demands, &one.rule.unless]);
            let enriching = law.enrichments.iter().flat_map(|one| [&one.rule.when, &one.rule.demands]);
            conditions.extend(local.chain(consents).chain(enriching).flatten().map(|one| (one, &law.zone)));
        }
        instants.extend(windows.into_iter().flat_map(|window| [window.from, window.until]).flatten());
        for (condition, zone) in conditions {
            condition.each(&mut |one| {
                let days = [one.from, one.until].into_iter().flatten();
                instants.extend(days.filter_map(|day| Some(day.to_zoned(zone.clone()).ok()?.timestamp())));
            });
        }
        instants.sort_unstable();
        instants.dedup();
        self.changes = instants;
    }

    /// The bloc that policies call by this code.
    pub fn bloc(&self, code: &str) -> Option<&Bloc> {
        self.blocs.get(code)
    }

    /// Every bloc, by code.
    pub fn blocs(&self) -> impl Iterator<Item = &Bloc> {
        self.blocs.values()
    }

    /// Every mechanism, by name.
    pub fn mechanisms(&self) -> impl Iterator<Item = &Mechanism> {
        self.mechanisms.values().map(|one| &**one)
    }

    /// Every ground, by name.
    pub fn grounds(&self) -> impl Iterator<Item = &Mechanism> {
        self.by_role[MechanismRole::Ground as usize].iter().map(|entry| &*entry.mechanism)
    }

    /// The mechanisms of a role that concern data from one country in another at `now`, in force or not, by name.
    pub fn concerning(
        &self,
        role: MechanismRole,
        from: Country,
        to: Country,
        now: Timestamp,
    ) -> impl Iterator<Item = &Mechanism> {
        let ever = self.by_role[role as usize].iter().filter(move |one| one.from.contains(from) && one.to.contains(to));
        ever.map(|entry| &*entry.mechanism).filter(move |one| one.concerns(from, to, self, now))
    }

    /// The same from a subdivision.
    pub fn concerning_region<'a>(
        &'a self,
        role: MechanismRole,
        from: &'a str,
        to: Country,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Mechanism> {
        let of =
            move |one: &&'a Entry| one.mechanism.from.regions.iter().any(|code| code == from) && one.to.contains(to);
        let entries = self.by_role[role as usize].iter().filter(of);
        entries.map(|entry| &*entry.mechanism).filter(move |one| one.leads_to(to, self, now))
    }

    /// The mechanism of this name or alias.
    pub fn mechanism(&self, name: &str) -> Option<&Mechanism> {
        let by_alias = || self.mechanisms().find(|one| one.aliases.iter().any(|alias| alias == name));
        self.mechanisms.get(name).map(|one| &**one).or_else(by_alias)
    }

    /// Whether claims may call a mechanism or a family of them by this name.
    pub fn is_named(&self, name: &str) -> bool {
        self.mechanisms.values().any(|mechanism| mechanism.is_named(name))
    }

    /// Every jurisdiction, by code.
    pub fn jurisdictions(&self) -> impl Iterator<Item = &Jurisdiction> {
        self.jurisdictions.values().map(|one| &**one)
    }

    /// The jurisdiction of this code: a country, a subdivision or a bloc.
    pub fn jurisdiction(&self, code: &str) -> Option<&Jurisdiction> {
        self.jurisdictions.get(code).map(|one| &**one)
    }

    /// What binds in a country at `now`, the most specific first: its own law, then that of the blocs it belongs to.
    pub fn binding(&self, country: Country, now: Timestamp) -> impl Iterator<Item = &Jurisdiction> {
        let own = self.jurisdiction(country.as_str());
        let member = move |code: &&String| self.bloc(code).is_some_and(|bloc| bloc.members(now).contains(country));
        own.into_iter().chain(self.bloc_laws.iter().filter(member).filter_map(|code| self.jurisdiction(code)))
    }

    /// What a country's law says of transfers by default at `now`.
    pub fn regime(&self, country: Country, now: Timestamp) -> Option<&Dated<TransferRegime>> {
        self.binding(country, now).find_map(|law| in_force(&law.regimes, now))
    }

    /// The consent rules of a country for a channel and a purpose, in force or not: those of the most specific law that has
    /// any, whole.
    pub fn consent_rules(
        &self,
        country: Country,
        channel: Channel,
        purpose: &str,
        now: Timestamp,
    ) -> Vec<(&Jurisdiction, &Dated<ChannelRule>)> {
        let of = |law| -> Vec<(&Jurisdiction, &Dated<ChannelRule>)> {
            let law: &Jurisdiction = law;
            let all = law.consents.iter();
            all.filter(|one| one.rule.channel == channel && covers_purpose(&one.rule.purpose, purpose))
                .map(|one| (law, one))
                .collect()
        };
        self.binding(country, now).map(of).find(|rules| !rules.is_empty()).unwrap_or_default()
    }

    /// The countries that codes mean at `now`. What is neither a country nor a known bloc means none.
    pub fn countries(&self, codes: &[String], now: Timestamp) -> CountrySet {
        codes.iter().fold(CountrySet::EMPTY, |all, code| match (Country::parse(code), self.bloc(code)) {
            (Ok(country), _) => all.union(&CountrySet::only(country)),
            (_, Some(bloc)) => all.union(bloc.members(now)),
            _ => all,
        })
    }

    /// The bloc in which data flows freely between two countries at `now`.
    pub fn free_flow(&self, from: Country, to: Country, now: Timestamp) -> Option<&Bloc> {
        self.blocs.values().find(|bloc| bloc.free(now).contains(from) && bloc.free(now).contains(to))
    }

    /// The next instant after `now` at which any membership or freedom changes.
    pub fn next_bloc_change(&self, now: Timestamp) -> Option<Timestamp> {
        next(&self.bloc_changes, now)
    }

    /// The next instant after `now` at which anything in the law changes.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        next(&self.changes, now)
    }

    /// Every instant at which anything in the law changes, sorted.
    pub fn changes(&self) -> &[Timestamp] {
        &self.changes
    }

    /// The law as it was known at an instant: what was adopted later is not in it yet, and ends that nobody could know of
    /// have not come.
    #[must_use]
    pub fn known_at(&self, instant: Timestamp) -> Self {
        let mut known = self.clone();
        known.mechanisms.retain(|_, one| one.known_from.or(one.window.from).is_none_or(|from| from <= instant));
        for mechanism in known.mechanisms.values_mut() {
            let mechanism = Arc::make_mut(mechanism);
            let foreseen = mechanism.ended.as_ref().map(|ended| match (ended.known_from, ended.effect) {
                (Some(from), _) => from <= instant,
                (None, EndEffect::Sunset) => true,
                (None, _) => mechanism.window.until.is_some_and(|until| until <= instant),
            });
            let ended = mechanism.window.until.is_some_and(|until| until <= instant);
            if !foreseen.unwrap_or(ended) {
                mechanism.window.until = None;
                mechanism.ended = None;
            }
            mechanism.risks.retain(|risk| risk.window.from.is_none_or(|from| from <= instant));
        }
        known.work_out();
        known
    }

    /// The same law with a mechanism that ends earlier, or later.
    #[must_use]
    pub fn ending(&self, name: &str, until: Timestamp) -> Self {
        let mut changed = self.clone();
        if let Some(mechanism) = changed.mechanisms.get_mut(name) {
            Arc::make_mut(mechanism).window.until = Some(until);
        }
        changed.work_out();
        changed
    }
}

fn next(instants: &[Timestamp], now: Timestamp) -> Option<Timestamp> {
    instants.get(instants.partition_point(|instant| *instant <= now)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(code: &str) -> Country {
        Country::parse(code).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn union() -> Bloc {
        let since = |code, from: &str, until: Option<&str>| Membership {
            country: country(code),
            window: Window { from: Some(at(from)), until: until.map(at) },
            free_flow_from: None,
        };
        let members = [
            since("DE", "1994-01-01T00:00:00Z", None),
            since("GB", "1994-01-01T00:00:00Z", Some("2020-02-01T00:00:00Z")),
        ];
        let free = [Window { from: Some(at("1998-10-24T00:00:00Z")), until: None }];
        Bloc::new("X", "Example bloc", &members, &free)
    }

    #[test]
    fn a_member_is_gone_at_the_first_instant_of_its_end() {
        let bloc = union();
        assert!(bloc.members(at("2020-01-31T23:59:59Z")).contains(country("GB")));
        assert!(!bloc.members(at("2020-02-01T00:00:00Z")).contains(country("GB")));
        assert!(bloc.members(at("1990-01-01T00:00:00Z")).is_empty());
    }

    #[test]
    fn data_flows_freely_only_while_both_are_members() {
        let lawbook = Lawbook::new([union()], [], []);
        let free = |from, instant| lawbook.free_flow(country("DE"), country(from), at(instant)).is_some();
        assert!(!free("GB", "1997-01-01T00:00:00Z"));
        assert!(free("GB", "2019-01-01T00:00:00Z"));
        assert!(!free("GB", "2021-01-01T00:00:00Z"));
        assert_eq!(lawbook.next_change(at("2019-01-01T00:00:00Z")), Some(at("2020-02-01T00:00:00Z")));
        assert_eq!(lawbook.next_change(at("2021-01-01T00:00:00Z")), None);
    }
}
