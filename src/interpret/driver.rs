//! What storage drivers are told, as statements about places: parameters, attributes, mount options, handles and servers.
//!
//! Which of them say what is knowledge of the catalogue; here is only how they are read. Classes, volumes and the volumes
//! that pods describe themselves all come through here.

use std::collections::BTreeMap;

use crate::engine::country::CountrySet;
use crate::engine::endpoint::{Endpoint, strange};
use crate::engine::gazetteer::{Driver, Gazetteer, Parameter, Says, ToldBy, Zone};
use crate::engine::place::Places;

use super::objects::{CsiSource, VolumeSources};

/// A driver and the provider it is of.
pub type Known<'a> = Option<(&'a str, &'a Driver)>;

/// A field that says where data lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The field.
    pub field: String,
    /// Where.
    pub places: Places,
    /// Whether a doubt about it matters only where nothing else says anything.
    pub hint: bool,
}

impl Statement {
    /// A field that counts in any case.
    pub fn firm(field: String, places: Places) -> Self {
        Self { field, places, hint: false }
    }

    /// A field that says nothing where it cannot be understood.
    pub fn hint(field: String, places: Places) -> Self {
        Self { field, places, hint: true }
    }
}

/// What several fields say together; none where nothing is said. A doubt about one is a doubt about all, and what
/// contradicts is not proven.
pub fn agreed(statements: Vec<Statement>) -> Option<Statement> {
    if let Some(doubt) = statements.iter().find(|one| !one.hint && one.places.unproven.is_some()) {
        return Some(doubt.clone());
    }
    let (proven, doubts): (Vec<_>, Vec<_>) = statements.into_iter().partition(|one| one.places.unproven.is_none());
    let common = proven.iter().fold(CountrySet::FULL, |all, one| all.intersection(&one.places.countries));
    let Some(first) = proven.first() else { return doubts.into_iter().next() };
    if common.is_empty() && proven.len() > 1 {
        let fields: Vec<&str> = proven.iter().map(|one| one.field.as_str()).collect();
        let why = format!("{} contradict each other", fields.join(" and "));
        return Some(Statement::firm(first.field.clone(), Places::unknown(why)));
    }
    let narrowest = proven.iter().find(|one| one.places.countries == common).unwrap_or(first);
    Some(Statement::firm(narrowest.field.clone(), Places::known(common)))
}

/// What parameters or attributes that stand at `path` say to a driver.
pub fn parameters(
    known: Known<'_>,
    told_by: ToldBy,
    given: &BTreeMap<String, String>,
    path: &str,
    gazetteer: &Gazetteer,
) -> Vec<Statement> {
    let Some((provider, driver)) = known else { return Vec::new() };
    let mut statements = Vec::new();
    for parameter in driver.parameters.iter().filter(|parameter| parameter.told_by.contains(&told_by)) {
        for (name, value) in given.iter().filter(|(name, _)| name.eq_ignore_ascii_case(&parameter.name)) {
            let places = read(parameter, name, value, provider, gazetteer);
            statements.extend(places.map(|places| Statement::firm(format!("{path}.{name}"), places)));
        }
    }
    statements
}

/// What mount options say: `name=value`, `name value` or `--name value`, one an entry or joined by commas.
pub fn mount_options(known: Known<'_>, options: &[String], path: &str, gazetteer: &Gazetteer) -> Vec<Statement> {
    let Some((provider, driver)) = known else { return Vec::new() };
    let mut statements = Vec::new();
    for (position, entry) in options.iter().enumerate() {
        for option in entry.split(',').map(|option| option.trim().trim_start_matches('-')) {
            let (name, value) = option.split_once(['=', ' ']).unwrap_or((option, ""));
            let wanted = |one: &&Parameter| {
                one.told_by.contains(&ToldBy::MountOption) && one.name.eq_ignore_ascii_case(name.trim())
            };
            for parameter in driver.parameters.iter().filter(wanted) {
                let places = read(parameter, name, value.trim(), provider, gazetteer);
                statements.extend(places.map(|places| Statement::firm(format!("{path}[{position}]"), places)));
            }
        }
    }
    statements
}

/// What one value says; none where it says nothing about a place.
fn read(parameter: &Parameter, name: &str, value: &str, provider: &str, gazetteer: &Gazetteer) -> Option<Places> {
    let applies = parameter.pattern.as_ref().is_none_or(|pattern| pattern.is_match(value));
    if !applies || (value.is_empty() && parameter.pattern.is_none()) {
        return None;
    }
    match parameter.says {
        Says::Replicated => Some(Places::unknown(format!("parameter {name}: {value} sends copies to another region"))),
        Says::Elsewhere => Some(Places::unknown(format!("parameter {name} points at something in an unnamed place"))),
        Says::Region => Some(each(value, |id| region(gazetteer, provider, id))),
        Says::Zone => Some(each(value, |id| zone(gazetteer, provider, id))),
        Says::Endpoint => endpoint(gazetteer, &format!("{}{value}", parameter.prefix)),
    }
}

/// Values may be lists joined by commas.
fn each(value: &str, place: impl Fn(&str) -> Places) -> Places {
    value.split(',').map(|id| place(id.trim())).reduce(Places::or).unwrap_or_else(Places::anywhere)
}

/// Where this region of this very provider lies.
pub fn region(gazetteer: &Gazetteer, provider: &str, id: &str) -> Places {
    gazetteer
        .region_of(provider, id)
        .cloned()
        .unwrap_or_else(|| Places::unknown(format!("no Location names region {id} of {provider}")))
}

/// Where this zone of this very provider lies.
pub fn zone(gazetteer: &Gazetteer, provider: &str, id: &str) -> Places {
    match gazetteer.zone_of(provider, id) {
        Zone::Place(places) => places,
        Zone::Of(id) => region(gazetteer, provider, &id),
        Zone::Nothing | Zone::NotUnderstood => Places::unknown(format!("zone {id} is not understood at {provider}")),
    }
}

/// Where the endpoints in a text lie; none where they say nothing about a place. One of several may be the one that is
/// used, so that all of them count.
pub fn endpoint(gazetteer: &Gazetteer, text: &str) -> Option<Places> {
    let place = |endpoint| match endpoint {
        Endpoint::Local | Endpoint::Service { .. } | Endpoint::Silent { .. } => None,
        Endpoint::Place { places, .. } => Some(places),
        Endpoint::Stranger { host, .. } => Some(Places::unknown(strange(&host))),
        Endpoint::Unknown(reason) => Some(Places::unknown(reason)),
    };
    gazetteer.endpoints(text).into_iter().filter_map(place).reduce(Places::or)
}

/// What a CSI driver is told of a volume whose source stands at `path`.
pub fn csi(source: &CsiSource, known: Known<'_>, path: &str, gazetteer: &Gazetteer) -> Vec<Statement> {
    let CsiSource { driver: _, volume_handle, volume_attributes } = source;
    let attributes = format!("{path}.volumeAttributes");
    let mut statements = parameters(known, ToldBy::Volume, volume_attributes, &attributes, gazetteer);
    // Drivers hand the options of a pod's own volume on from an attribute.
    if let Some(options) = volume_attributes.get(MOUNT_OPTIONS) {
        let path = format!("{attributes}.{MOUNT_OPTIONS}");
        let said = mount_options(known, std::slice::from_ref(options), &path, gazetteer);
        statements.extend(said.into_iter().map(|one| Statement::firm(path.clone(), one.places)));
    }
    let found = known.and_then(|(provider, driver)| {
        let found = driver.handles.iter().find_map(|form| form.captures(volume_handle))?;
        let zone = found.name("zone").map(|id| zone(gazetteer, provider, id.as_str()));
        zone.or_else(|| Some(region(gazetteer, provider, found.name("region")?.as_str())))
    });
    statements.extend(found.map(|places| Statement::firm(format!("{path}.volumeHandle"), places)));
    statements
}

/// Attribute by which a CSI volume of a pod passes mount options, as the drivers that take any have it.
const MOUNT_OPTIONS: &str = "mountOptions";

/// The addresses in what serves a volume at `path`, other than a CSI driver, by the field that names them.
fn addresses<'a>(sources: &'a VolumeSources, path: &str) -> Vec<(String, Vec<&'a str>)> {
    let VolumeSources { csi: _, nfs, iscsi, cephfs, rbd, azure_file: _, glusterfs: _, flex_volume } = sources;
    let mut found = Vec::new();
    let mut add = |field: &str, addresses: Vec<&'a str>| found.push((format!("{path}.{field}"), addresses));
    if let Some(nfs) = nfs {
        add("nfs.server", vec![&nfs.server]);
    }
    if let Some(iscsi) = iscsi {
        let portals = iscsi.portals.iter().map(String::as_str);
        add("iscsi.targetPortal", portals.chain([iscsi.target_portal.as_str()]).collect());
    }
    if let Some(ceph) = cephfs {
        add("cephfs.monitors", ceph.monitors.iter().map(String::as_str).collect());
    }
    if let Some(ceph) = rbd {
        add("rbd.monitors", ceph.monitors.iter().map(String::as_str).collect());
    }
    if let Some(flex) = flex_volume {
        // What its driver makes of an option is not known; only what looks like an address is read as one.
        let addresses = flex.options.iter().filter(|(_, value)| value.contains(['.', ':']));
        addresses.for_each(|(name, value)| add(&format!("flexVolume.options.{name}"), vec![value]));
    }
    found
}

/// Whether anything but a CSI driver serves a volume from somewhere else than the node.
pub fn has_server(sources: &VolumeSources, gazetteer: &Gazetteer) -> bool {
    let VolumeSources { csi: _, nfs, iscsi, cephfs, rbd, azure_file, glusterfs, flex_volume } = sources;
    if azure_file.is_some() || glusterfs.is_some() || flex_volume.is_some() {
        return true;
    }
    if nfs.is_none() && iscsi.is_none() && cephfs.is_none() && rbd.is_none() {
        return false;
    }
    let addresses = addresses(sources, "").into_iter().flat_map(|(_, addresses)| addresses);
    !addresses.flat_map(|address| gazetteer.endpoints(address)).all(|endpoint| endpoint == Endpoint::Local)
}

/// What the servers of a volume at `path` say, other than a CSI driver.
pub fn servers(sources: &VolumeSources, path: &str, gazetteer: &Gazetteer) -> Vec<Statement> {
    // Any of several addresses may be the one that is used.
    let said = |(field, addresses): (String, Vec<&str>)| {
        let places = addresses.into_iter().filter_map(|address| endpoint(gazetteer, address)).reduce(Places::or);
        Some(Statement::firm(field, places?))
    };
    let mut statements: Vec<Statement> = addresses(sources, path).into_iter().filter_map(said).collect();
    if sources.azure_file.is_some() {
        let why = "the storage account stands in a secret";
        statements.push(Statement::firm(format!("{path}.azureFile"), Places::unknown(why)));
    }
    if let Some(gluster) = &sources.glusterfs {
        let why = format!("the Endpoints object {} decides where it lies", gluster.endpoints);
        statements.push(Statement::firm(format!("{path}.glusterfs.endpoints"), Places::unknown(why)));
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::country::Country;
    use crate::engine::gazetteer::{Names, Provider};

    fn places(code: &str) -> Places {
        Places::known(CountrySet::only(Country::parse(code).unwrap()))
    }

    fn firm(field: &str, places: Places) -> Statement {
        Statement::firm(field.to_owned(), places)
    }

    #[test]
    fn a_doubt_about_one_field_is_a_doubt_about_all() {
        let doubt = firm("b", Places::unknown("why"));
        assert_eq!(agreed(vec![firm("a", places("DE")), doubt.clone()]), Some(doubt));
        assert_eq!(agreed(Vec::new()), None);
    }

    #[test]
    fn a_hint_that_is_not_understood_says_nothing() {
        let hint = Statement::hint("b".to_owned(), Places::unknown("why"));
        let said = agreed(vec![hint.clone(), firm("a", places("DE"))]).unwrap();
        assert_eq!((said.field.as_str(), said.places), ("a", places("DE")));
        assert_eq!(agreed(vec![hint.clone()]), Some(hint));
    }

    #[test]
    fn what_contradicts_is_not_proven() {
        let said = agreed(vec![firm("a", places("DE")), firm("b", places("FR"))]).unwrap();
        assert_eq!(said.places.unproven.as_deref(), Some("a and b contradict each other"));
        let both = places("DE").or(places("FR"));
        let said = agreed(vec![firm("a", both), firm("b", places("FR"))]).unwrap();
        assert_eq!((said.field.as_str(), said.places), ("b", places("FR")));
    }

    #[test]
    fn mount_options_are_read_in_every_spelling_and_only_there() {
        let parameter = Parameter {
            name: "region".to_owned(),
            says: Says::Region,
            told_by: vec![ToldBy::MountOption],
            prefix: String::new(),
            pattern: None,
        };
        let driver = Driver { parameters: vec![parameter], ..Driver::default() };
        let mut gazetteer = Gazetteer::default();
        gazetteer.add_provider("cloud".to_owned(), Provider::default());
        let names = Names { regions: vec![("cloud".to_owned(), "here".to_owned())], ..Names::default() };
        gazetteer.add_names(names, &places("DE"));
        let known = Some(("cloud", &driver));
        for option in ["region here", "region=here", "--region here", "--region=here", "ro,region=here,hard"] {
            let said = mount_options(known, &["sync".to_owned(), option.to_owned()], "o", &gazetteer);
            assert_eq!(said, [firm("o[1]", places("DE"))], "{option}");
        }
        assert_eq!(mount_options(known, &["regional here".to_owned(), "region".to_owned()], "o", &gazetteer), []);
        let attributes = BTreeMap::from([("region".to_owned(), "here".to_owned())]);
        assert_eq!(parameters(known, ToldBy::Volume, &attributes, "a", &gazetteer), []);
    }
}
