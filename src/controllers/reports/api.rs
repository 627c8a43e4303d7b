//! Which of the two report APIs is written to: one of them or none, since whoever reads both would count twice.

use std::collections::BTreeSet;

use kube::Discovery;
use kube::api::ApiResource;

/// An API for reports. Both have the same kinds under other names, and schemas that hardly differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReportApi {
    /// `openreports.io/v1alpha1`.
    OpenReports,
    /// `wgpolicyk8s.io/v1alpha2`, from which it came.
    PolicyReports,
}

/// What the operator is told to write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ReportChoice {
    /// openreports.io where it is served, else wgpolicyk8s.io where that is
    #[default]
    Auto,
    /// openreports.io/v1alpha1 or nothing
    Openreports,
    /// wgpolicyk8s.io/v1alpha2 or nothing
    Wgpolicy,
    /// No reports
    None,
}

impl ReportApi {
    /// Both, the one to prefer first.
    pub const ALL: [Self; 2] = [Self::OpenReports, Self::PolicyReports];

    /// Its group.
    pub fn group(self) -> &'static str {
        match self {
            Self::OpenReports => "openreports.io",
            Self::PolicyReports => "wgpolicyk8s.io",
        }
    }

    /// The version that is written.
    pub fn version(self) -> &'static str {
        match self {
            Self::OpenReports => "v1alpha1",
            Self::PolicyReports => "v1alpha2",
        }
    }

    /// Reports about what stands in a namespace, or about what stands in none.
    pub fn resource(self, namespaced: bool) -> ApiResource {
        let (kind, plural) = match (self, namespaced) {
            (Self::OpenReports, true) => ("Report", "reports"),
            (Self::OpenReports, false) => ("ClusterReport", "clusterreports"),
            (Self::PolicyReports, true) => ("PolicyReport", "policyreports"),
            (Self::PolicyReports, false) => ("ClusterPolicyReport", "clusterpolicyreports"),
        };
        ApiResource {
            group: self.group().to_owned(),
            version: self.version().to_owned(),
            api_version: format!("{}/{}", self.group(), self.version()),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        }
    }

    /// Those that the cluster serves with both of their kinds (no client: the answer of a discovery is looked at).
    pub fn served(discovery: &Discovery) -> BTreeSet<Self> {
        let is_served = |api: &Self| {
            let group = discovery.get(api.group());
            let kinds: BTreeSet<String> = group
                .into_iter()
                .flat_map(|group| group.versioned_resources(api.version()))
                .map(|(resource, _)| resource.plural)
                .collect();
            [true, false].into_iter().all(|namespaced| kinds.contains(&api.resource(namespaced).plural))
        };
        Self::ALL.into_iter().filter(is_served).collect()
    }
}

impl ReportChoice {
    /// The one to write to.
    pub fn of(self, served: &BTreeSet<ReportApi>) -> Option<ReportApi> {
        let wanted: &[ReportApi] = match self {
            Self::Auto => &ReportApi::ALL,
            Self::Openreports => &[ReportApi::OpenReports],
            Self::Wgpolicy => &[ReportApi::PolicyReports],
            Self::None => &[],
        };
        wanted.iter().copied().find(|api| served.contains(api))
    }
}
