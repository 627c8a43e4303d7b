//! `Bloc`: a named set of countries whose membership has dates.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::LawSource;

/// A named set of countries with membership dates, for example a customs union or an economic area.
///
/// Policies call it by its code. A date means the first instant of that day in the bloc's time zone; `until` is
/// exclusive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "domicile.dev",
    version = "v1alpha1",
    kind = "Bloc",
    plural = "blocs",
    shortname = "bloc",
    category = "domicile",
    doc = "A named set of countries with membership dates",
    derive = "PartialEq",
    printcolumn(name = "Code", type_ = "string", json_path = ".spec.code"),
    printcolumn(name = "Title", type_ = "string", json_path = ".spec.title"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct BlocSpec {
    /// The word by which policies call the bloc. Two letters would read as a country.
    #[schemars(length(min = 2, max = 40))]
    #[x_kube(validation = ("self.matches('^[A-Z][A-Za-z0-9-]*$')", "starts with a capital and holds letters, digits and -"))]
    pub code: String,
    /// Full name.
    pub title: String,
    /// IANA time zone in which the dates begin.
    pub time_zone: String,
    /// Who belongs to it, and when.
    #[schemars(length(min = 1, max = 400))]
    pub members: Vec<BlocMember>,
    /// When personal data flows freely among the members. Empty: membership frees nothing.
    #[serde(default)]
    #[schemars(length(max = 50))]
    pub free_flow: Vec<FreeFlow>,
    /// Where this is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<LawSource>,
}

/// One membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlocMember {
    /// ISO 3166-1 alpha-2 code.
    #[schemars(regex(pattern = "^[A-Z]{2}$"))]
    pub country: String,
    /// First day, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub from: Option<String>,
    /// First day on which it is no member any more, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub until: Option<String>,
    /// Whether it is a member or treated as one.
    #[serde(default)]
    pub status: MemberStatus,
    /// First day on which personal data flows freely with this member, if later than in the bloc as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub free_flow_from: Option<String>,
    /// Where this is written, if not where the bloc's own source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<LawSource>,
}

/// Whether a country belongs to a bloc or is treated as if it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum MemberStatus {
    /// A member.
    #[default]
    Member,
    /// Not a member, but treated as one, as in a transition period.
    TreatedAs,
}

/// A time in which personal data flows freely inside a bloc.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FreeFlow {
    /// First day, `YYYY-MM-DD`.
    #[schemars(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub from: String,
    /// First day on which it is gone, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub until: Option<String>,
    /// Where this is written.
    pub source: LawSource,
}
