//! What an owner claims about data: the typed facts that conditions of law are held against. A claim is a declaration
//! with a reference to its evidence; the engine checks dates and completeness, never the evidence itself.
//!
//! One long list on purpose: the vocabulary is closed, and stands beside that of `condition` test by test.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a claim was true and where it is proven.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// The day on which this was found to be so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Date>,
    /// First day on which it can no longer be relied on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
    /// Where the evidence is kept: a reference, never the evidence itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub evidence: Option<String>,
}

/// The importer is certified under a scheme.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Certification {
    /// The scheme, by the name that the mechanism uses.
    #[schemars(length(min = 1, max = 100))]
    pub scheme: String,
    /// Who holds the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub holder: Option<String>,
    /// Extensions of the scheme that are active for the holder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 100)))]
    pub extensions: Vec<String>,
    /// Kinds of data that the certificate covers, where the scheme tells them apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 100)))]
    pub coverage: Vec<String>,
    /// When and where proven.
    #[serde(flatten)]
    pub proof: Proof,
}

/// A contract between exporter and importer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contract {
    /// The text that was agreed, where the mechanism knows several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub text: Option<String>,
    /// The module of the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<i64>,
    /// The day on which it was concluded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concluded: Option<Date>,
    /// Whether the official text stands in it unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmodified: Option<bool>,
    /// Whether the processing has stayed what it was when the contract was concluded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processing_unchanged: Option<bool>,
    /// Languages that prevail: ISO 639-1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), inner(length(max = 10)))]
    pub languages: Vec<String>,
    /// When and where proven.
    #[serde(flatten)]
    pub proof: Proof,
}

/// Binding rules inside a group of companies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BindingRules {
    /// The authority that approved them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub approved_by: Option<String>,
    /// Whether exporter and importer are both bound by them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_group: Option<bool>,
    /// When and where proven.
    #[serde(flatten)]
    pub proof: Proof,
}

/// Kinds of assessments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum AssessmentKind {
    /// Of the destination's law and practice, before a transfer.
    TransferImpact,
    /// Of the balance of interests.
    LegitimateInterest,
    /// Of the impact of the processing on people.
    DataProtectionImpact,
    /// Of whether a new purpose is compatible with that of the collection.
    PurposeCompatibility,
    /// By an authority, of the security of an export.
    Security,
    /// Of whether a destination protects the data as the origin does.
    Equivalence,
}

/// What an assessment found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Outcome {
    /// The destination protects the data in essence as the origin does.
    EssentiallyEquivalent,
    /// What was assessed may go ahead.
    Favourable,
    /// It may not, unless supplementary measures mend it.
    Unfavourable,
}

/// An assessment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Assessed {
    /// Of what.
    pub kind: AssessmentKind,
    /// What it found. None: it is documented, and its outcome is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Whether supplementary measures mend what it found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplementary_measures: Option<bool>,
    /// Whether the importer sees the data in the clear; technical measures cannot mend that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importer_clear_text: Option<bool>,
    /// When and where proven.
    #[serde(flatten)]
    pub proof: Proof,
}

/// What is done before an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FilingAct {
    /// It is told.
    Notify,
    /// A dossier is filed with it.
    File,
    /// It approves.
    Approve,
    /// It grants a licence.
    Licence,
}

/// What an authority decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Decision {
    /// It agrees.
    Granted,
    /// It forbids or refuses.
    Refused,
    /// It has not decided.
    Pending,
}

/// Something filed with an authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Filed {
    /// With whom, by the name that the mechanism uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub authority: Option<String>,
    /// What was done.
    pub act: FilingAct,
    /// The day on which it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filed: Option<Date>,
    /// What the authority decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// When and where proven.
    #[serde(flatten)]
    pub proof: Proof,
}

/// Whose data is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
pub enum CountCategory {
    /// Everybody.
    #[default]
    All,
    /// People whose sensitive data is concerned.
    Sensitive,
    /// People whose data is not sensitive.
    NonSensitive,
}

/// How many people's data is exported. Of a list with one count or more, a category without a count has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubjectCounted {
    /// Of whom.
    #[serde(default)]
    pub category: CountCategory,
    /// How many, for the legal entity as a whole, in the window that the law counts in.
    #[schemars(range(min = 0))]
    pub count: i64,
    /// When and where proven.
    #[serde(flatten)]
    pub proof: Proof,
}

/// What a consent is for. One never satisfies another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ConsentFor {
    /// Processing the data.
    Processing,
    /// Being contacted over a channel.
    Channel,
    /// Special categories of data.
    SpecialCategory,
    /// Transfer to another country.
    Transfer,
    /// Disclosure to somebody else.
    Disclosure,
    /// Profiling.
    Profiling,
}

/// In which form a consent was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ConsentForm {
    /// By conduct.
    Implied,
    /// By a clear act.
    Unambiguous,
    /// By an express statement.
    Explicit,
    /// In writing.
    Written,
    /// Separately from every other consent, and explicit.
    Separate,
}

/// A consent that was obtained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Consented {
    /// For what.
    #[serde(rename = "for")]
    pub subject: ConsentFor,
    /// In which form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<ConsentForm>,
    /// What people were told before: `risks`, `recipient`, `destination`, `purpose`, `regime`, `measures`, ...
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 100)))]
    pub informed_of: Vec<String>,
    /// Purposes that it covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(max = 100)))]
    pub purposes: Vec<String>,
    /// Channels that it covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub channels: Vec<Channel>,
    /// The day from which on it was obtained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obtained: Option<Date>,
    /// Whether each person without a consent is kept out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_subject_gate: Option<bool>,
    /// When and where proven.
    #[serde(flatten)]
    pub proof: Proof,
}

/// How people are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the names are the words of the law")]
pub enum Channel {
    Email,
    Sms,
    PhoneHuman,
    PhoneAutomated,
    Post,
    PushCookie,
    Web,
    InApp,
    Api,
}

impl Channel {
    /// Every channel with its name on the command line and in sentences.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Email, "email"),
        (Self::Sms, "sms"),
        (Self::PhoneHuman, "phone-human"),
        (Self::PhoneAutomated, "phone-automated"),
        (Self::Post, "post"),
        (Self::PushCookie, "push-cookie"),
        (Self::Web, "web"),
        (Self::InApp, "in-app"),
        (Self::Api, "api"),
    ];

    /// Its name in sentences.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(channel, _)| *channel == self).map_or("", |(_, name)| name)
    }
}

/// Whether data moves all the time or now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Pattern {
    /// As a rule, or in bulk.
    Systematic,
    /// Now and then.
    Occasional,
}

/// What makes a transfer necessary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NecessityKind {
    /// A contract with the person.
    ContractWithSubject,
    /// A contract in the person's interest.
    ContractForSubject,
    /// Public interest.
    PublicInterest,
    /// Legal claims.
    LegalClaims,
    /// Vital interests.
    VitalInterests,
    /// Compelling legitimate interests.
    CompellingInterests,
    /// A law or a treaty.
    LegalObligation,
}

/// A necessity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Needed {
    /// Of what kind.
    pub kind: NecessityKind,
    /// When and where proven.
    #[serde(flatten)]
    pub proof: Proof,
}

/// To whom a notice is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Audience {
    /// The people whose data it is.
    #[default]
    Subjects,
    /// Everybody, as on a web site.
    Public,
    /// Those who received the data before.
    Recipients,
}

/// A notice that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Noticed {
    /// To whom.
    #[serde(default)]
    pub audience: Audience,
    /// What it says: `purposes`, `recipients`, `transfer`, `source`, `retention`, `rights`, `new-purpose`, ...
    #[schemars(length(max = 30), inner(length(max = 100)))]
    pub content: Vec<String>,
    /// The day from which on it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Date>,
    /// When and where proven.
    #[serde(flatten)]
    pub proof: Proof,
}

/// Where data is first written and where copies are: what localisation asks. Countries are ISO 3166-1 alpha-2 codes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// Where the data is written first when it is collected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(regex(pattern = "^[A-Z]{2}$")))]
    pub first_write: Vec<String>,
    /// Where it is written at the same time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(regex(pattern = "^[A-Z]{2}$")))]
    pub parallel_writes: Vec<String>,
    /// Where copies are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(regex(pattern = "^[A-Z]{2}$")))]
    pub copies: Vec<String>,
    /// Who gave the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<DataSource>,
    /// Whether the data was collected abroad and nothing domestic was added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign_data_only: Option<bool>,
    /// When and where proven.
    #[serde(flatten)]
    pub proof: Proof,
}

/// Who gave data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DataSource {
    /// The person.
    Subject,
    /// Somebody else: brokers, social networks, panels.
    ThirdParty,
    /// Public sources.
    Public,
}

/// What kind of deal hands data on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DealingKind {
    /// Data is sold or licensed.
    Brokerage,
    /// A service is bought.
    Vendor,
    /// People are employed.
    Employment,
    /// Money is invested.
    Investment,
    /// Data is given to another controller.
    Disclosure,
    /// None of these.
    Other,
}

/// The deal under which data is handed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dealt {
    /// Of what kind.
    pub kind: DealingKind,
    /// Whether the security requirements for such deals are met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_requirements: Option<bool>,
    /// When and where proven.
    #[serde(flatten)]
    pub proof: Proof,
}

/// The relationship with the people who are contacted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Related {
    /// What they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RelationshipKind>,
    /// The day of the last sale, contract or donation, at the earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Date>,
    /// Whether the message is about one's own similar goods or services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_similar_goods: Option<bool>,
    /// Whether the address was obtained in a sale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obtained_in_sale: Option<bool>,
    /// Whether people could object when the address was collected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objection_at_collection: Option<bool>,
    /// Whether they can object in each message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objection_each_message: Option<bool>,
    /// When and where proven.
    #[serde(flatten)]
    pub proof: Proof,
}

/// What people are to the controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RelationshipKind {
    /// They have a contract now.
    CurrentContract,
    /// They have bought something.
    Customer,
    /// They have asked for something.
    Inquirer,
    /// They have given something.
    Donor,
    /// None.
    None,
}

/// Addresses were held against a register of objections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Screened {
    /// The register, by the name that the rule uses.
    #[schemars(length(min = 1, max = 100))]
    pub register: String,
    /// When and where proven.
    #[serde(flatten)]
    pub proof: Proof,
}

/// The message that is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Messaged {
    /// Whether it promotes anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotional: Option<bool>,
    /// Whether it carries the label that the law asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labelled: Option<bool>,
    /// Whether it keeps to the hours that the law allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_hours: Option<bool>,
    /// Kind of the line that is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_type: Option<LineType>,
    /// Whether the number comes from a directory or from chance, not from the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_directory: Option<bool>,
    /// When and where proven.
    #[serde(flatten)]
    pub proof: Proof,
}

/// Kinds of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "plain words")]
pub enum LineType {
    Mobile,
    Landline,
}

/// How the data is looked after.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Handled {
    /// Whether one person's data can be found in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_index: Option<bool>,
    /// Whether people who objected are kept out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppression_list: Option<bool>,
    /// Whether only what is needed is copied: scores and keys instead of verbatim text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimised: Option<bool>,
    /// Whether results are only used for groups, with identifiers dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregate_only: Option<bool>,
    /// Whether a contract or arrangement between the parties governs the processing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processing_agreement: Option<bool>,
    /// When and where proven.
    #[serde(flatten)]
    pub proof: Proof,
}

/// As what an enquiry was presented to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "plain words")]
pub enum PresentedAs {
    MarketResearch,
    CustomerFeedback,
    Marketing,
}

/// On what processing rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the words of the law")]
pub enum LegalBasis {
    Consent,
    Contract,
    LegalObligation,
    VitalInterests,
    PublicTask,
    LegitimateInterest,
}

/// Claims that belong to one ground of a transfer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Basis {
    /// Name of a mechanism, or of a family of them, which survives the renewal of its members.
    #[schemars(length(min = 1, max = 253))]
    pub mechanism: String,
    /// The importer's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certified: Option<Certification>,
    /// The contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instrument: Option<Contract>,
    /// Binding rules of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_rules: Option<BindingRules>,
    /// The assessment made for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assessment: Option<Assessed>,
    /// What was filed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filing: Option<Filed>,
}

/// Claims about a store or a flow as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// Consents that were obtained.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub consents: Vec<Consented>,
    /// Assessments that were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub assessments: Vec<Assessed>,
    /// What was filed with authorities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub filings: Vec<Filed>,
    /// Notices that were given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub notices: Vec<Noticed>,
    /// How many people's data is exported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub subject_counts: Vec<SubjectCounted>,
    /// Registers of objections against which addresses were held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub screened: Vec<Screened>,
    /// Where the data is first written and where copies are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// What makes the transfer necessary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub necessity: Option<Needed>,
    /// The deal under which data is handed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dealing: Option<Dealt>,
    /// The relationship with the people who are contacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relationship: Option<Related>,
    /// The message that is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Messaged>,
    /// How the data is looked after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handling: Option<Handled>,
    /// On what the processing rests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<LegalBasis>,
    /// As what the enquiry was presented to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presented_as: Option<PresentedAs>,
}
