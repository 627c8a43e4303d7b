//! Decoders that skip what nobody reads.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::pod::{Env, EnvSource};
use super::{DEFAULT_CLASS, SELECTED_NODE};
use crate::engine::gazetteer::host;

/// Metadata with the parts that matter; the rest of `ObjectMeta` stays empty.
pub fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Light {
        name: Option<String>,
        generate_name: Option<String>,
        namespace: Option<String>,
        labels: Option<BTreeMap<String, String>>,
        #[serde(default, deserialize_with = "annotations")]
        annotations: Option<BTreeMap<String, String>>,
        uid: Option<String>,
        resource_version: Option<String>,
        generation: Option<i64>,
        owner_references: Option<Vec<OwnerReference>>,
        creation_timestamp: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>,
        deletion_timestamp: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>,
    }
    let light = Option::<Light>::deserialize(deserializer)?.unwrap_or_default();
    // By name and without `..`, so that nothing that is read here can be forgotten.
    let Light {
        name,
        generate_name,
        namespace,
        labels,
        annotations,
        uid,
        resource_version,
        generation,
        owner_references,
        creation_timestamp,
        deletion_timestamp,
    } = light;
    Ok(ObjectMeta {
        name,
        generate_name,
        namespace,
        labels,
        annotations,
        uid,
        resource_version,
        generation,
        owner_references,
        creation_timestamp,
        deletion_timestamp,
        ..ObjectMeta::default()
    })
}

/// Only the annotations that Domicile reads.
fn annotations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    struct Few;
    impl<'de> Visitor<'de> for Few {
        type Value = Option<BTreeMap<String, String>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of annotations")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_none<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_map(self)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut kept = None;
            while let Some(key) = map.next_key::<Cow<'_, str>>()? {
                if key == SELECTED_NODE || DEFAULT_CLASS.contains(&key.as_ref()) {
                    kept.get_or_insert_with(BTreeMap::new).insert(key.into_owned(), map.next_value()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(kept)
        }
    }
    deserializer.deserialize_option(Few)
}

/// A list that may be absent or null, which is the same.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

/// Of the conditions of an object, whether it is ready.
pub fn is_ready<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    struct Condition<'a> {
        #[serde(rename = "type", borrow, default)]
        kind: Cow<'a, str>,
        #[serde(borrow, default)]
        status: Cow<'a, str>,
    }
    let conditions: Vec<Condition<'_>> = list(deserializer)?;
    Ok(conditions.iter().any(|one| one.kind == "Ready" && one.status == "True"))
}

/// Variables that reference something or may say where data goes: most do neither, and a pod may carry hundreds.
pub fn telling_variables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Env>, D::Error> {
    struct Secrets;
    impl<'de> Visitor<'de> for Secrets {
        type Value = Vec<Env>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of variables")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_none<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_seq(self)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut kept = Vec::new();
            // What variables before stand for, of which a value may be made.
            let mut before: Vec<(Cow<'_, str>, Set<'_>)> = Vec::new();
            let mut room = FILLED;
            while let Some(Variable { name: Text(name), value, value_from }) = list.next_element()? {
                let value = value.map(|Text(value)| filled(value, &before, &mut room));
                before.push((name.clone(), Set::by(value.as_ref(), value_from.as_ref())));
                let refers =
                    |source: &EnvSource| source.secret_key_ref.is_some() || source.config_map_key_ref.is_some();
                if let Some(source) = value_from.filter(refers) {
                    kept.push(Env::referring(&name, source));
                } else if let Some(value) = value
                    && let Some(telling) = telling(&name, &value)
                {
                    kept.push(Env::told(&name, &value, telling));
                }
            }
            Ok(kept)
        }
    }
    deserializer.deserialize_option(Secrets)
}

/// A variable as it is read: most are not kept.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Variable<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow)]
    value: Option<Text<'a>>,
    value_from: Option<EnvSource>,
}

#[derive(Default, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// How many bytes the variables of a container may gain by what others stand for; beyond that they stay as they are written.
const FILLED: usize = 16 << 10;
/// How many variables back one is looked for.
const NEAR: usize = 1_000;

/// What a variable stands for.
enum Set<'a> {
    /// A text.
    To(Cow<'a, str>),
    /// The address of the pod or of its node.
    Here,
    /// The namespace of the pod.
    Namespace,
    /// What is not told here.
    Unknown,
}

impl<'a> Set<'a> {
    /// By the value of the variable, and where that comes from.
    fn by(value: Option<&Cow<'a, str>>, from: Option<&EnvSource>) -> Self {
        if let Some(source) = from {
            let field = source.field_ref.as_ref().map_or("", |field| field.field_path.as_str());
            return match field {
                "status.hostIP" | "status.podIP" => Self::Here,
                "metadata.namespace" => Self::Namespace,
                _ => Self::Unknown,
            };
        }
        // A variable without a value is empty.
        Self::To(value.cloned().unwrap_or_default())
    }
}

/// A value with what each `$(NAME)` in it stands for, as the container gets it. What is not told stays as it is written, and
/// so is filled in later.
fn filled<'a>(text: Cow<'a, str>, before: &[(Cow<'_, str>, Set<'_>)], room: &mut usize) -> Cow<'a, str> {
    if !text.contains("$(") {
        return text;
    }
    let joins = |one: char| one.is_ascii_alphanumeric() || "_.-$()[]".contains(one);
    let mut filled = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some(at) = rest.find("$(") {
        let (ahead, reference) = rest.split_at(at);
        filled.push_str(ahead);
        // `$$(NAME)` stands for itself.
        let Some(end) = reference.find(')').filter(|_| !ahead.ends_with('$')) else {
            filled.push_str("$(");
            rest = &reference["$(".len()..];
            continue;
        };
        let name = &reference["$(".len()..end];
        rest = &reference[end + 1..];
        let set = before.iter().rev().take(NEAR).find(|(known, _)| **known == *name).map(|(_, set)| set);
        match set {
            // What is a secret itself is told nowhere.
            Some(Set::To(value)) if value.len() <= *room && !is_secret(name) => {
                *room -= value.len();
                filled.push_str(value);
            }
            // As a part of a longer word it is no address.
            Some(Set::Here) if !filled.ends_with(joins) && !rest.starts_with(joins) => filled.push_str("localhost"),
            // A service of the pod's own namespace is called by its name alone.
            Some(Set::Namespace) if filled.ends_with('.') && service(rest).is_some() => {
                filled.pop();
                rest = service(rest).unwrap_or(rest);
            }
            _ => filled.push_str(&reference[..=end]),
        }
    }
    filled.push_str(rest);
    Cow::Owned(filled)
}

/// What follows the end of a service's name, behind its namespace.
fn service(text: &str) -> Option<&str> {
    let text = text.strip_prefix(".svc")?;
    let text = text.strip_prefix(".cluster.local").unwrap_or(text);
    (text.is_empty() || text.starts_with([':', '/'])).then_some(text)
}

/// Why a variable may say where data goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Telling {
    /// By its name, or by what it holds.
    #[default]
    Plainly,
    /// For nothing but that its value has the form of a region, which the names of much else have as well.
    ByForm,
}

/// Commands and arguments of which one may say where data goes, in their order; none if no one does.
pub fn telling_words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let mut all: Vec<String> = list(deserializer)?;
    // A host may stand anywhere in a command, and has a dot.
    let region = |word: &String| word.split(|one: char| one.is_whitespace() || "=,;".contains(one)).any(is_like_region);
    if !all.iter().any(|word| word.contains('.') || names_what_tells(word) || region(word) || may_tell("", word)) {
        all.clear();
    }
    Ok(all)
}

/// Parts of names of variables that say where something is.
pub const TELLING: [&str; 22] = [
    "REGION",
    "ENDPOINT",
    "URL",
    "URI",
    "HOST",
    "BUCKET",
    "BROKER",
    "SERVER",
    "ADDR",
    "DSN",
    "CONN",
    "SITE",
    "DOMAIN",
    "BOOTSTRAP",
    "MODEL",
    "LOCATION",
    "ZONE",
    "DATACENTER",
    "REPO",
    "ACCOUNT",
    "PROJECT",
    "UPSTREAM",
];
/// Endings of names of variables that are secrets themselves.
pub const SECRET: [&str; 6] = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "_KEY", "APIKEY"];

/// Whether a variable or argument may say where data goes. What is left out is never held, and so never shown.
pub fn may_tell(name: &str, value: &str) -> bool {
    telling(name, value).is_some()
}

/// Why it may, if it may.
fn telling(name: &str, value: &str) -> Option<Telling> {
    let value = value.trim();
    if value.is_empty() {
        return None;
    }
    // Most values hold none of what the tests below look for, which one look at each byte tells.
    let marks = marks(value);
    let any = |mark: u8| marks & mark != 0;
    if any(COLON) && (value.contains("://") || value.contains("arn:")) {
        return Some(Telling::Plainly);
    }
    if is_secret(name) {
        return None;
    }
    if any(DASH) && any(DIGIT) && is_like_region(value) {
        let told = names_what_tells(name) || names_what_tells(value);
        return Some(if told { Telling::Plainly } else { Telling::ByForm });
    }
    if any(DOT) {
        if any(COLON) && is_host_with_port(value) {
            return Some(Telling::Plainly);
        }
        // Whatever it is called, a name of three labels may be a host.
        let labels = value.split(':').next().unwrap_or_default().split('.');
        let is_host = |label: &str| label.bytes().any(|one| one.is_ascii_alphabetic());
        if labels.clone().count() > 2 && labels.filter(|label| is_host(label)).count() > 1 && !value.starts_with('/') {
            return Some(Telling::Plainly);
        }
    }
    // Options and settings name what they set.
    let told = names_what_tells(name) || (any(COLON | SETTING) && names_what_tells(value));
    told.then_some(Telling::Plainly)
}

const COLON: u8 = 1;
const DOT: u8 = 2;
const DASH: u8 = 4;
const DIGIT: u8 = 8;
/// What stands between a setting and what it is set to, or between settings.
const SETTING: u8 = 16;

/// Which of these marks a text holds.
fn marks(text: &str) -> u8 {
    const OF: [u8; 256] = {
        let mut of = [0; 256];
        of[b':' as usize] = COLON;
        of[b'.' as usize] = DOT;
        of[b'-' as usize] = DASH;
        of[b'=' as usize] = SETTING;
        of[b'\n' as usize] = SETTING;
        of[b' ' as usize] = SETTING;
        let mut digit = b'0';
        while digit <= b'9' {
            of[digit as usize] = DIGIT;
            digit += 1;
        }
        of
    };
    text.bytes().fold(0, |marks, one| marks | OF[usize::from(one)])
}

/// The bits of a letter that are the same in both cases.
const LETTER: u8 = 31;

/// Whether a variable is a secret itself, by its name.
fn is_secret(name: &str) -> bool {
    const LASTS: u32 = {
        let mut lasts = 0;
        let mut at = 0;
        while at < SECRET.len() {
            let end = SECRET[at].as_bytes();
            lasts |= 1 << (end[end.len() - 1] & LETTER);
            at += 1;
        }
        lasts
    };
    let bytes = name.as_bytes();
    let Some(last) = bytes.last() else { return false };
    let ends = |end: &&str| {
        let end = end.as_bytes();
        bytes.len() >= end.len() && bytes[bytes.len() - end.len()..].eq_ignore_ascii_case(end)
    };
    LASTS >> (last & LETTER) & 1 == 1 && SECRET.iter().any(ends)
}

/// Whether a text holds one of [`TELLING`], in whatever case. Asked of every variable of every pod: most letters begin none,
/// and most pairs of letters are not the first two of any.
fn names_what_tells(text: &str) -> bool {
    const LETTERS: usize = LETTER as usize + 1;
    /// By the first letter: which letters come second, and which parts begin so.
    const BEGUN: [(u32, u32); LETTERS] = {
        let mut begun = [(0, 0); LETTERS];
        let mut at = 0;
        while at < TELLING.len() {
            let part = TELLING[at].as_bytes();
            let (seconds, parts) = &mut begun[(part[0] & LETTER) as usize];
            *seconds |= 1 << (part[1] & LETTER);
            *parts |= 1 << at;
            at += 1;
        }
        begun
    };
    let bytes = text.as_bytes();
    let holds = |at: usize, part: &str| {
        bytes.get(at..at + part.len()).is_some_and(|held| held.eq_ignore_ascii_case(part.as_bytes()))
    };
    bytes.windows(2).enumerate().any(|(at, pair)| {
        let (seconds, mut parts) = BEGUN[usize::from(pair[0] & LETTER)];
        if seconds >> (pair[1] & LETTER) & 1 == 0 {
            return false;
        }
        while parts != 0 {
            if holds(at, TELLING[parts.trailing_zeros() as usize]) {
                return true;
            }
            parts &= parts - 1;
        }
        false
    })
}

/// Whether a word has the form that most providers give the names of their regions and zones: `xx-west-1`, `xxxx-west3-b`.
pub fn is_like_region(word: &str) -> bool {
    const LONGEST: usize = 40;
    let bytes = word.as_bytes();
    let Some((first, rest)) = word.split_once('-').filter(|_| word.len() <= LONGEST) else { return false };
    first.len() > 1
        && first.bytes().all(|one| one.is_ascii_alphabetic())
        && rest.starts_with(|one: char| one.is_ascii_alphabetic())
        && rest.bytes().any(|one| one.is_ascii_digit())
        && bytes.iter().all(|one| one.is_ascii_alphanumeric() || *one == b'-')
}

/// Whether a word is an address outside of the ranges that networks use inside.
pub fn is_public_address(word: &str) -> bool {
    match word.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(four)) => {
            !(four.is_private() || four.is_link_local() || four.is_loopback() || four.is_unspecified())
        }
        Ok(IpAddr::V6(six)) => {
            let near = six.is_unique_local() || six.is_unicast_link_local();
            !(near || six.is_loopback() || six.is_unspecified())
        }
        Err(_) => false,
    }
}

/// Whether a word is a host of the public name system with a port: nothing else is written so.
pub fn is_host_with_port(word: &str) -> bool {
    const LONGEST: usize = 259;
    let Some((host, port)) = word.split_once(':').filter(|_| word.len() <= LONGEST) else { return false };
    let Some((_, last)) = host.rsplit_once('.') else { return false };
    port.parse::<u16>().is_ok() && host::name(host).is_some() && host::is_domain(&last.to_ascii_lowercase())
}

/// A map that may be absent or null, which is the same.
pub fn map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Whether a field is there at all; what stands in it does not matter.
pub fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<IgnoredAny>::deserialize(deserializer)?.is_some())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Words of the parts that decide, in whatever case, and of what stands around them.
    fn word() -> impl Strategy<Value = String> {
        let parts =
            TELLING.iter().chain(&SECRET).copied().chain(["rr", "E", "_", "-", ".", "x1", "é", ":", " ", "=", "\n"]);
        let part = (proptest::sample::select(parts.collect::<Vec<_>>()), 0..8_usize, any::<bool>());
        let cut = part.prop_map(|(part, cut, lower)| {
            let kept: String = part.chars().skip(cut / 4).take(8 - cut % 4).collect();
            if lower { kept.to_lowercase() } else { kept }
        });
        proptest::collection::vec(cut, 0..5).prop_map(|parts| parts.concat())
    }

    /// [`telling`] as it is meant, with every test in turn.
    fn plainly(name: &str, value: &str) -> Option<Telling> {
        let (value, upper) = (value.trim(), name.to_ascii_uppercase());
        let told = |text: &str| TELLING.iter().any(|part| text.to_ascii_uppercase().contains(part));
        if value.is_empty() {
            return None;
        }
        if value.contains("://") || value.contains("arn:") {
            return Some(Telling::Plainly);
        }
        if SECRET.iter().any(|end| upper.ends_with(end)) {
            return None;
        }
        if is_like_region(value) {
            return Some(if told(name) || told(value) { Telling::Plainly } else { Telling::ByForm });
        }
        let first = value.split(':').next().unwrap_or_default();
        let labels = first.split('.').filter(|label| label.contains(|one: char| one.is_ascii_alphabetic())).count();
        let is_host = first.matches('.').count() > 1 && labels > 1 && !value.starts_with('/');
        let setting = value.contains(['=', '\n', ' ', ':']) && told(value);
        (is_host_with_port(value) || is_host || told(name) || setting).then_some(Telling::Plainly)
    }

    proptest! {
        #[test]
        fn a_variable_tells_by_the_same_tests_when_most_of_them_are_skipped(name in word(), value in word()) {
            prop_assert_eq!(telling(&name, &value), plainly(&name, &value));
        }
    }
}
