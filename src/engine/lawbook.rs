//! The book of law: who belongs to which bloc since when, and where law lets data go by itself.
//!
//! Time is always an argument. A validity window is half open: `from` is its first instant, `until` the first instant
//! at which it is gone.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::country::{Country, CountrySet};

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

    fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.0.get(self.0.partition_point(|(instant, _)| *instant <= now)).map(|(instant, _)| *instant)
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
        Self { code: code.into(), title: title.into(), members: Timeline::new(&members), free: Timeline::new(&free) }
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

/// The validated blocs, built-in ones overlaid by the cluster's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lawbook {
    blocs: BTreeMap<String, Bloc>,
}

impl Lawbook {
    /// A lawbook of these blocs. Of two with one code the later replaces the earlier.
    pub fn new(blocs: impl IntoIterator<Item = Bloc>) -> Self {
        Self { blocs: blocs.into_iter().map(|bloc| (bloc.code.clone(), bloc)).collect() }
    }

    /// The bloc that policies call by this code.
    pub fn bloc(&self, code: &str) -> Option<&Bloc> {
        self.blocs.get(code)
    }

    /// Every bloc, by code.
    pub fn blocs(&self) -> impl Iterator<Item = &Bloc> {
        self.blocs.values()
    }

    /// Where the law that applies to data of this origin lets the data be at `now`: its own country, and every country
    /// with which personal data flows freely. Elsewhere the lawbook knows no ground.
    pub fn lawful(&self, origin: Country, now: Timestamp) -> CountrySet {
        let own = CountrySet::only(origin);
        self.blocs
            .values()
            .map(|bloc| bloc.free.at(now))
            .filter(|free| free.contains(origin))
            .fold(own, CountrySet::union)
    }

    /// The next instant after `now` at which any membership or freedom changes.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.blocs.values().flat_map(|bloc| [bloc.members.next_change(now), bloc.free.next_change(now)]).flatten().min()
    }
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
    fn law_frees_only_what_flows_freely_at_that_time() {
        let lawbook = Lawbook::new([union()]);
        assert_eq!(lawbook.lawful(country("DE"), at("1997-01-01T00:00:00Z")).to_string(), "DE");
        assert_eq!(lawbook.lawful(country("DE"), at("2019-01-01T00:00:00Z")).to_string(), "DE, GB");
        assert_eq!(lawbook.lawful(country("GB"), at("2021-01-01T00:00:00Z")).to_string(), "GB");
        assert_eq!(lawbook.next_change(at("2019-01-01T00:00:00Z")), Some(at("2020-02-01T00:00:00Z")));
        assert_eq!(lawbook.next_change(at("2021-01-01T00:00:00Z")), None);
    }
}
