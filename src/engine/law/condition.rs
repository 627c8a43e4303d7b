//! The closed list of conditions that law attaches to a permission, as data. `evaluate` holds them against claims.
//!
//! A condition is an object. Every test in it must hold; `allOf`, `anyOf` and `not` nest. What the list does not know is
//! refused when the manifest is read, so that no condition is ever skipped.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::claims::{
    AssessmentKind, Audience, ConsentFor, ConsentForm, CountCategory, DataSource, DealingKind, FilingAct, LegalBasis,
    LineType, NecessityKind, PresentedAs, RelationshipKind,
};
use super::period::Period;

/// What it means that a condition fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum OnFailure {
    /// What depends on it fails.
    #[default]
    GroundFails,
    /// It stays lawful, and something is owed.
    ObligationOnly,
    /// The law does not settle what follows.
    Unsettled,
}

/// A condition: every test that is named must hold while the condition itself is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Condition {
    /// First day on which it is asked.
    pub from: Option<Date>,
    /// First day on which it is not asked any more.
    pub until: Option<Date>,
    /// What its failure means.
    pub on_failure: OnFailure,
    /// What the law demands, in words; shown when it is not met.
    pub says: Option<String>,
    /// All of these.
    pub all_of: Vec<Condition>,
    /// At least one of these.
    pub any_of: Vec<Condition>,
    /// Not this.
    pub not: Option<Box<Condition>>,
    /// The importer is certified.
    pub certified: Option<Box<Certified>>,
    /// A contract was concluded.
    pub instrument: Option<Box<Instrument>>,
    /// The group has binding rules.
    pub group_rules: Option<Box<GroupRules>>,
    /// Something was assessed.
    pub assessment: Option<Box<Assessment>>,
    /// Something was filed.
    pub filing: Option<Box<Filing>>,
    /// How many people's data.
    pub subject_count: Option<Box<SubjectCount>>,
    /// Which data.
    pub data_scope: Option<Box<DataScope>>,
    /// Which parties.
    pub party_scope: Option<Box<PartyScope>>,
    /// Consent.
    pub consent: Option<Box<Consent>>,
    /// Necessity.
    pub necessity: Option<Box<Necessity>>,
    /// A notice.
    pub notice: Option<Box<Notice>>,
    /// Which destinations.
    pub destination: Option<Box<Destination>>,
    /// Where data is written and kept.
    pub provenance: Option<Box<ProvenanceIs>>,
    /// What kind of deal.
    pub dealing: Option<Box<Dealing>>,
    /// A relationship with people.
    pub relationship: Option<Box<Relationship>>,
    /// A register of objections.
    pub register_screened: Option<Box<RegisterScreened>>,
    /// What the message is like.
    pub message: Option<Box<Message>>,
    /// For which purpose.
    pub purpose: Option<Box<Purpose>>,
    /// How data is looked after.
    pub handling: Option<Box<Handling>>,
}

impl Condition {
    /// Consent of one sort, in whichever form, and for the purpose of the flow where that is asked.
    pub fn consent(subject: ConsentFor, for_purpose: bool) -> Self {
        let (forms, informed_of, per_subject_gate) = (Vec::new(), Vec::new(), false);
        let consent = Consent { subject, forms, informed_of, for_purpose, per_subject_gate };
        Self { consent: Some(Box::new(consent)), ..Self::default() }
    }

    /// Whether nothing is tested.
    pub fn is_empty(&self) -> bool {
        let Self { from, until, on_failure, says, .. } = self.clone();
        *self == Self { from, until, on_failure, says, ..Self::default() }
    }

    /// How deep conditions nest, this one included.
    pub fn depth(&self) -> usize {
        let inner = self.all_of.iter().chain(&self.any_of).chain(self.not.as_deref());
        1 + inner.map(Self::depth).max().unwrap_or_default()
    }

    /// This condition and every one inside it.
    pub fn each(&self, visit: &mut impl FnMut(&Self)) {
        visit(self);
        for inner in self.all_of.iter().chain(&self.any_of).chain(self.not.as_deref()) {
            inner.each(visit);
        }
    }
}

/// The importer is certified under a scheme.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Certified {
    /// Any of these schemes.
    pub schemes: Vec<String>,
    /// An extension that must be active.
    pub extension: Option<String>,
    /// Kinds of data that must be covered.
    pub coverage: Vec<String>,
    /// How old the finding may be.
    pub max_age: Option<Period>,
}

/// A contract between exporter and importer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Instrument {
    /// Any of these texts, where the claim names one.
    pub texts: Vec<String>,
    /// Any of these modules, where the claim names one.
    pub modules: Vec<i64>,
    /// Concluded on this day or later.
    pub concluded_from: Option<Date>,
    /// Concluded before this day.
    pub concluded_until: Option<Date>,
    /// First day on which it can no longer be relied on.
    pub rely_until: Option<Date>,
    /// The official text must be unchanged.
    pub unmodified: bool,
    /// The processing must not have changed since it was concluded.
    pub processing_unchanged: bool,
    /// This language must prevail: ISO 639-1.
    pub language: Option<String>,
}

/// The group has binding rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GroupRules {
    /// They must be approved, by this authority where one is named.
    pub approved_by: Option<String>,
    /// They must be approved by an authority, whichever.
    pub approved: bool,
    /// Exporter and importer must be bound alike.
    pub same_group: bool,
}

/// Something was assessed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Assessment {
    /// What.
    pub kind: AssessmentKind,
    /// Whether it is enough that it was made, whatever it found.
    #[serde(default)]
    pub any_outcome: bool,
    /// How long it is good for, from the day of the assessment on.
    #[serde(default)]
    pub valid_for: Option<Period>,
}

/// From which day on a period runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Anchor {
    /// The day on which the contract was concluded.
    Concluded,
    /// The day of the first transfer.
    FirstTransfer,
}

/// By when something is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Due {
    /// From when on the time runs.
    pub anchor: Anchor,
    /// How many days.
    pub days: i64,
    /// Whether only working days count.
    #[serde(default)]
    pub working: bool,
}

/// Something was filed with an authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filing {
    /// With whom.
    pub authority: String,
    /// Any of these acts.
    pub acts: Vec<FilingAct>,
    /// By when. None: before the transfer.
    #[serde(default)]
    pub due: Option<Due>,
    /// How long one has to wait after it: working days.
    #[serde(default)]
    pub waiting_days: Option<i64>,
    /// Whether the authority must have agreed.
    #[serde(default)]
    pub granted: bool,
    /// How long it is good for.
    #[serde(default)]
    pub valid_for: Option<Period>,
}

/// When a count begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CountWindow {
    /// On 1 January.
    Year,
    /// Never.
    Ever,
}

/// How many people's data is exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubjectCount {
    /// Of whom.
    #[serde(default)]
    pub category: CountCategory,
    /// At least so many.
    #[serde(default)]
    pub at_least: Option<i64>,
    /// Fewer than so many.
    #[serde(default)]
    pub below: Option<i64>,
    /// In which window.
    #[serde(default = "ever")]
    pub window: CountWindow,
}

fn ever() -> CountWindow {
    CountWindow::Ever
}

/// What data counts as whose categories are not declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Undeclared {
    /// It may be of any category.
    #[default]
    Unknown,
    /// It counts as not being of the categories in question, and the verdict says that it relies on that.
    NotConcerned,
}

/// Which data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DataScope {
    /// Holds where some of the data is of one of these categories.
    pub include: Vec<String>,
    /// Holds where none of the data is of one of these.
    pub exclude: Vec<String>,
    /// What undeclared categories mean.
    pub undeclared: Undeclared,
}

/// Whose side a party stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Side {
    /// Whoever receives the data.
    #[default]
    Importer,
    /// Whoever hands it on: controllers and processors of the store or flow.
    Exporter,
}

/// Which parties.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PartyScope {
    /// Which of them.
    pub party: Side,
    /// Subject to one of these laws.
    pub subject_to: Vec<String>,
    /// Subject to none of these laws.
    pub not_subject_to: Vec<String>,
    /// Has one of these attributes. What a declared party does not list it does not have.
    pub attributes: Vec<String>,
    /// Has none of these attributes.
    pub not_attributes: Vec<String>,
    /// Established in one of these countries or blocs.
    pub established_in: Vec<String>,
    /// Ultimately controlled from one of these countries or blocs.
    pub controlled_from: Vec<String>,
}

/// Consent was obtained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Consent {
    /// For what.
    #[serde(rename = "for")]
    pub subject: ConsentFor,
    /// In any of these forms; none: in whichever.
    #[serde(default)]
    pub forms: Vec<ConsentForm>,
    /// What people must have been told.
    #[serde(default)]
    pub informed_of: Vec<String>,
    /// Whether it must cover the purpose of the flow.
    #[serde(default)]
    pub for_purpose: bool,
    /// Whether each person without consent must be kept out.
    #[serde(default)]
    pub per_subject_gate: bool,
}

/// A transfer is necessary, or not the rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Necessity {
    /// For any of these; none: whatever for.
    pub kinds: Vec<NecessityKind>,
    /// Only now and then.
    pub occasional: bool,
}

/// A notice was given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Notice {
    /// To whom.
    pub audience: Audience,
    /// What it must say.
    pub content: Vec<String>,
}

/// Where the data goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Destination {
    /// One of these countries or blocs.
    pub list: Vec<String>,
    /// None of these countries and blocs.
    pub except: Vec<String>,
    /// The owner has found by an assessment that it protects the data as the origin does.
    pub assessed_equivalent: bool,
}

/// Where data is written and kept. `Here` is the country whose law asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProvenanceIs {
    /// The first write happens here and nowhere else.
    pub first_write_here: bool,
    /// Nothing is written abroad at the same time.
    pub no_parallel_write_abroad: bool,
    /// A copy is kept here.
    pub copy_here: bool,
    /// No copy is kept abroad.
    pub no_copy_abroad: bool,
    /// Given by one of these.
    pub source: Vec<DataSource>,
    /// Collected abroad, with nothing domestic added.
    pub foreign_data_only: bool,
}

/// What kind of deal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Dealing {
    /// Any of these.
    pub kinds: Vec<DealingKind>,
    /// The security requirements for such deals are met.
    pub security_requirements: bool,
}

/// A relationship with the people who are contacted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Relationship {
    /// Any of these.
    pub kinds: Vec<RelationshipKind>,
    /// How long ago it may have begun or been renewed.
    pub max_age: Option<Period>,
    /// About one's own similar goods or services.
    pub own_similar_goods: bool,
    /// The address was obtained in a sale.
    pub obtained_in_sale: bool,
    /// People could object when it was collected.
    pub objection_at_collection: bool,
    /// They can object in each message.
    pub objection_each_message: bool,
}

/// Addresses were held against a register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterScreened {
    /// Which.
    pub register: String,
    /// How long ago at most.
    #[serde(default)]
    pub max_age: Option<Period>,
}

/// What the message is like. What is not declared counts as unknown, except that a message sent for a purpose other than
/// marketing is taken to promote nothing, which the verdict then says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Message {
    /// Whether it promotes anything.
    pub promotional: Option<bool>,
    /// It carries the label that the law asks for.
    pub labelled: bool,
    /// It keeps to the hours that the law allows.
    pub within_hours: bool,
    /// Kind of the line.
    pub line_type: Option<LineType>,
    /// Whether the number comes from a directory or from chance.
    pub from_directory: Option<bool>,
}

/// For which purpose, and how that fits what people were told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Purpose {
    /// One of these. A purpose covers those below it: `marketing` covers `marketing-email`.
    pub one_of: Vec<String>,
    /// None of these.
    pub none_of: Vec<String>,
    /// One of the purposes for which the data was collected.
    pub as_collected: bool,
    /// The enquiry was presented as one of these.
    pub presented_as: Vec<PresentedAs>,
    /// Processing rests on one of these.
    pub legal_basis: Vec<LegalBasis>,
}

/// How data is looked after.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Handling {
    /// Kept no longer than this.
    pub retention_max: Option<Period>,
    /// One person's data can be found.
    pub subject_index: bool,
    /// People who objected are kept out.
    pub suppression_list: bool,
    /// Only what is needed is copied.
    pub minimised: bool,
    /// Only used for groups, with identifiers dropped.
    pub aggregate_only: bool,
    /// A contract or arrangement between the parties.
    pub processing_agreement: bool,
}
