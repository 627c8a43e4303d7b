//! Ranges of addresses and where they are used.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use super::state;
use crate::engine::place::Places;

/// Where ranges of addresses are used.
#[derive(Debug, Clone, Default)]
pub struct Ranges {
    ranges: BTreeMap<IpNet, Places>,
    /// The lengths of prefixes that occur.
    lengths: BTreeSet<u8>,
}

/// Bits of an IPv6 address before the IPv4 address that it stands for.
const MAPPED: u8 = 96;

/// A range in its one form: that of IPv4 where IPv6 stands for it, without bits behind the prefix.
fn canonical(range: IpNet) -> IpNet {
    match range {
        IpNet::V6(six) if six.prefix_len() >= MAPPED => six
            .addr()
            .to_ipv4_mapped()
            .and_then(|four| Ipv4Net::new(four, six.prefix_len() - MAPPED).ok())
            .map_or(range, IpNet::V4)
            .trunc(),
        range => range.trunc(),
    }
}

impl Ranges {
    /// Notes where a range is used.
    pub fn add(&mut self, range: IpNet, places: &Places) {
        let range = canonical(range);
        self.lengths.insert(range.prefix_len());
        state(&mut self.ranges, range, places);
    }

    /// The smallest range that holds all of this one.
    fn around(&self, range: IpNet) -> Option<&Places> {
        let lengths = self.lengths.range(..=range.prefix_len()).rev();
        lengths
            .filter_map(|length| IpNet::new(range.network(), *length).ok())
            .find_map(|wider| self.ranges.get(&wider.trunc()))
    }

    /// Where an address is used.
    pub fn address(&self, address: IpAddr) -> Option<&Places> {
        self.around(IpNet::from(address.to_canonical()))
    }

    /// Where the addresses of a range are used: none where not all of them are known.
    pub fn range(&self, range: IpNet) -> Option<Places> {
        let range = canonical(range);
        let all = self.around(range)?;
        let inside = self.ranges.iter().filter(|(inner, _)| range.contains(*inner));
        Some(inside.fold(all.clone(), |all, (_, places)| all.or(places.clone())))
    }
}

/// Whether a range is all addresses.
pub fn is_everything(range: IpNet) -> bool {
    let mapped = |six: Ipv6Addr| six.to_ipv4_mapped().is_some_and(|four| four.is_unspecified());
    match range {
        IpNet::V6(six) if six.prefix_len() == MAPPED => mapped(six.network()),
        range => range.prefix_len() == 0,
    }
}
