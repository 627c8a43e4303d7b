//! Which texts may say where data goes. What may not is never held, and so never shown.

use std::net::IpAddr;

use crate::engine::gazetteer::host;

/// Why a variable may say where data goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Telling {
    /// By its name, or by what it holds.
    #[default]
    Plainly,
    /// For nothing but that its value has the form of a region, which the names of much else have as well.
    ByForm,
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
pub(super) fn telling(name: &str, value: &str) -> Option<Telling> {
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
pub(super) fn is_secret(name: &str) -> bool {
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
pub(super) fn names_what_tells(text: &str) -> bool {
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
