//! `domicile answer`

use std::io::Write;
use std::path::PathBuf;

use super::Exit;
use super::inputs::{self, Inputs, When};
use crate::engine::law::answer::{Place, Programme, answer};
use crate::engine::law::claims::Channel;
use crate::engine::lawbook::Lawbook;
use crate::report::Format;
use crate::report::answer::{self as report, Answers};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Country (ISO 3166-1 alpha-2), or a subdivision with a law of its own; several with commas or repeated
    #[arg(long = "country", required = true, value_delimiter = ',', value_name = "CODE")]
    countries: Vec<String>,
    /// What the programme is for: cx-feedback, market-research, marketing, service-message, ...
    #[arg(long)]
    purpose: String,
    /// How people are reached: email, sms, phone-human, phone-automated, post, push-cookie, web, in-app, api
    #[arg(long, value_parser = channel)]
    channel: Channel,
    /// Files with law of your own, which replaces the built-in one
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-")]
    filenames: Vec<PathBuf>,
    #[command(flatten)]
    when: When,
    /// Form of the output
    #[arg(short = 'o', long, value_enum, default_value = "table")]
    output: Format,
}

fn channel(text: &str) -> Result<Channel, String> {
    let known = Channel::ALL.iter().find(|(_, name)| *name == text).map(|(channel, _)| *channel);
    let names = || Channel::ALL.map(|(_, name)| name).join(", ");
    known.ok_or_else(|| format!("no such channel; the channels are {}", names()))
}

/// What the lawbook has a law of, for somebody who asked for what nobody knows.
fn catalogued(lawbook: &Lawbook) -> String {
    let codes: Vec<&str> = lawbook.jurisdictions().filter(|law| !law.is_bloc).map(|law| law.code.as_str()).collect();
    codes.join(", ")
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Arguments { countries, purpose, channel, filenames, when, output } = arguments;
    let documents = inputs::load(filenames, "default")?;
    let now = when.now();
    let mut inputs = Inputs::new(documents, when.known_at)?;
    inputs::tell(&inputs.notes);
    if inputs.bad {
        return Ok(Exit::BadInput);
    }
    let world = inputs.world(now);
    let lawbook = &world.lawbook;
    let mut places = Vec::new();
    for code in countries {
        let Some(place) = Place::parse(code.trim(), lawbook) else {
            eprintln!("domicile: no such country: {code:?}; the catalogue has the law of {}", catalogued(lawbook));
            return Ok(Exit::Usage);
        };
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let programme = Programme { purpose: purpose.clone(), channel: *channel };
    let answers: Vec<_> = places.iter().map(|place| answer(place, &programme, lawbook, now)).collect();
    let unknown = answers.iter().any(|one| !one.unknown.is_empty());
    let answers = Answers { programme: &programme, at: now, known_at: when.known_at, answers: &answers };
    let mut out = std::io::stdout().lock();
    report::write(&mut out, *output, &answers)?;
    out.flush()?;
    Ok(if unknown { Exit::Unproven } else { Exit::Ok })
}
