//! Lengths of time as laws state them: months stay months.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::Span;
use jiff::civil::{Date, Weekday};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// An ISO 8601 duration: `P1M`, `P14D`, `PT72H`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period {
    years: i16,
    months: i16,
    days: i32,
    hours: i32,
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // At least one part: what the schema lets in can be read.
        let part = "[0-9]{1,3}[YMW]|[0-9]{1,4}D|T[0-9]{1,4}H";
        let pattern = format!("^P({part})([0-9]{{1,3}}[MW])?([0-9]{{1,4}}D)?(T[0-9]{{1,4}}H)?$");
        json_schema!({"type": "string", "pattern": pattern})
    }
}

/// A text that is no period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a period of years, months, weeks, days and hours such as P1M or PT72H")]
pub struct NotAPeriod(String);

impl Period {
    /// The day that lies this long after another. Hours count as whole days, rounded up. A day beyond the calendar is its
    /// last one.
    #[must_use]
    pub fn after(self, day: Date) -> Date {
        let days = self.days + (self.hours + 23) / 24;
        let span = Span::new().try_years(self.years).and_then(|span| span.try_months(self.months)?.try_days(days));
        span.map_or(Date::MAX, |span| day.saturating_add(span))
    }

    /// About how many days it lasts, for comparisons: a month counts 30 days and a year 365.
    pub fn days(self) -> i64 {
        i64::from(self.years) * 365
            + i64::from(self.months) * 30
            + i64::from(self.days)
            + i64::from((self.hours + 23) / 24)
    }
}

impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const LONGEST: usize = 40;
        let no = || NotAPeriod(text.chars().take(LONGEST).collect());
        let span: Span = Some(text).filter(|text| text.len() <= LONGEST).ok_or_else(no)?.parse().map_err(|_| no())?;
        let finer = [i64::from(span.get_minutes() != 0), span.get_seconds(), span.get_milliseconds()];
        if span.is_negative() || finer.iter().any(|part| *part != 0) {
            return Err(no());
        }
        let days = i32::from(i16::try_from(span.get_weeks()).map_err(|_| no())?) * 7 + span.get_days();
        Ok(Self {
            years: span.get_years(),
            months: i16::try_from(span.get_months()).map_err(|_| no())?,
            days,
            hours: span.get_hours(),
        })
    }
}

impl TryFrom<String> for Period {
    type Error = NotAPeriod;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        let part = |number: i32, unit: &str| if number == 0 { Self::new() } else { format!("{number}{unit}") };
        let date = part(period.years.into(), "Y") + &part(period.months.into(), "M") + &part(period.days, "D");
        match (date.is_empty(), period.hours) {
            (true, 0) => "P0D".to_owned(),
            (_, 0) => format!("P{date}"),
            (_, hours) => format!("P{date}T{hours}H"),
        }
    }
}

impl fmt::Display for Period {
    /// In words: "1 month", "72 hours".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (i32::from(self.years), "year"),
            (i32::from(self.months), "month"),
            (self.days, "day"),
            (self.hours, "hour"),
        ];
        let mut first = true;
        for (number, unit) in parts.into_iter().filter(|(number, _)| *number != 0) {
            let (gap, plural) = (if first { "" } else { " " }, if number == 1 { "" } else { "s" });
            write!(f, "{gap}{number} {unit}{plural}")?;
            first = false;
        }
        if first { f.write_str("no time") } else { Ok(()) }
    }
}

/// The day that lies this many working days after another. Monday to Friday count; public holidays are not known here and
/// would only make it later.
pub fn working_days_after(day: Date, number: i64) -> Date {
    // No term of law is longer than a century; the rest of the calendar is not walked day by day.
    let mut left = number.min(36_525);
    let mut at = day;
    while left > 0 {
        let Ok(next) = at.tomorrow() else { return at };
        at = next;
        if !matches!(at.weekday(), Weekday::Saturday | Weekday::Sunday) {
            left -= 1;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn months_end_with_the_month_and_leap_days_count() {
        let month: Period = "P1M".parse().unwrap();
        assert_eq!(month.after(date(2024, 1, 31)), date(2024, 2, 29));
        assert_eq!("P1Y".parse::<Period>().unwrap().after(date(2024, 2, 29)), date(2025, 2, 28));
        assert_eq!("PT72H".parse::<Period>().unwrap().after(date(2024, 2, 27)), date(2024, 3, 1));
    }

    #[test]
    fn a_period_is_written_as_it_was_read() {
        for text in ["P1M", "P14D", "PT72H", "P1Y6M", "P0D"] {
            assert_eq!(String::from(text.parse::<Period>().unwrap()), text);
        }
        assert_eq!(String::from("P2W".parse::<Period>().unwrap()), "P14D");
        assert_eq!("P1Y1D".parse::<Period>().unwrap().to_string(), "1 year 1 day");
        for text in ["", "P", "1M", "-P1M", "PT5M", "P1.5M"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn working_days_skip_weekends() {
        assert_eq!(working_days_after(date(2024, 10, 1), 5), date(2024, 10, 8));
    }
}
