//! `compare`: several plugins in one run.
//!
//! Every measurement is a process of its own, which runs `time`. Two plugins in one process would
//! not be themselves: they are loaded with `RTLD_GLOBAL`, as nbdkit does it, so that two versions
//! of an interpreter's library would call each other's functions. Besides, each begins with a
//! fresh heap and its own luck with addresses.
//!
//! The variants take turns, so that what disturbs the machine for a while disturbs them all; and
//! each round begins with the next one, so that none always runs after the same neighbour.

use std::error::Error;
use std::fs;
use std::process::{Command, Stdio};

use crate::arguments::{Options, Variant};
use crate::json::Json;
use crate::machine;
use crate::time::RESULT;

/// Runs all rounds, prints the table and writes the raw numbers.
pub fn run(options: &Options, variants: &[Variant]) -> Result<(), Box<dyn Error>> {
    let mut rounds = vec![Vec::new(); variants.len()];
    for round in 0..options.rounds {
        for turn in 0..variants.len() {
            let which = (round + turn) % variants.len();
            let time = measure(options, &variants[which])
                .map_err(|error| format!("{}: {error}", variants[which].name))?;
            rounds[which].push(time);
        }
    }
    print!("{}", table(options, variants, &rounds));
    if let Some(file) = &options.json {
        fs::write(file, json(options, variants, &rounds).to_string())
            .map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(())
}

/// Nanoseconds a call.
fn measure(options: &Options, variant: &Variant) -> Result<f64, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("time");
    if let Some(number) = options.warm_up {
        command.args(["--warm-up", &number.to_string()]);
    }
    command
        .args(["--operation", &options.operation.to_string()])
        .args(["--size", &options.size.to_string()])
        .args(["--count", &options.count.to_string()])
        .args(["--threads", &options.threads.to_string()])
        .args(["--connections", &options.connections().to_string()])
        .args(options.locks.then_some("--locks"))
        .args(options.verbose.then_some("--verbose"))
        .arg(&variant.plugin)
        .args(&variant.parameters)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("the measurement ended with {}", output.status).into());
    }
    // A plugin may print, too; what counts is the last line that is ours.
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text.lines().rev().find_map(|line| line.strip_prefix(RESULT));
    Ok(result.ok_or("the measurement printed no result")?.parse()?)
}

fn sorted(numbers: &[f64]) -> Vec<f64> {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(f64::total_cmp);
    numbers
}

/// Of an even number of values, the mean of the middle two.
fn median(numbers: &[f64]) -> f64 {
    let sorted = sorted(numbers);
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[length / 2],
        length => (sorted[length / 2 - 1] + sorted[length / 2]) / 2.0,
    }
}

fn describe(options: &Options) -> String {
    let threads = match (options.threads, options.connections()) {
        (1, _) => "1 thread".to_string(),
        (threads, 1) => format!("{threads} threads on 1 connection"),
        (threads, connections) => format!("{threads} threads on {connections} connections"),
    };
    format!(
        "{} of {} bytes, {} calls, {threads}, median of {} rounds",
        options.operation, options.size, options.count, options.rounds
    )
}

fn table(options: &Options, variants: &[Variant], rounds: &[Vec<f64>]) -> String {
    let mut text = String::new();
    if let Some(title) = &options.title {
        text += &format!("{title}\n");
    }
    text += &format!("{}\n", describe(options));
    let width = variants.iter().map(|variant| variant.name.chars().count()).max().unwrap_or(0);
    text += &format!(
        "  {:width$}  {:>10}  {:>10}  {:>10}  {:>10}  {:>6}\n",
        "", "ns a call", "lowest", "highest", "difference", "ratio"
    );
    let base = median(&rounds[0]);
    for (variant, numbers) in variants.iter().zip(rounds) {
        let (middle, sorted) = (median(numbers), sorted(numbers));
        text += &format!(
            "  {:width$}  {:>10.1}  {:>10.1}  {:>10.1}  {:>+10.1}  {:>6.2}\n",
            variant.name,
            middle,
            sorted.first().unwrap_or(&f64::NAN),
            sorted.last().unwrap_or(&f64::NAN),
            middle - base,
            middle / base,
        );
    }
    text
}

fn json(options: &Options, variants: &[Variant], rounds: &[Vec<f64>]) -> Json {
    let variants = variants.iter().zip(rounds).map(|(variant, numbers)| {
        Json::object([
            ("name", Json::text(&variant.name)),
            ("plugin", Json::text(&variant.plugin)),
            ("parameters", Json::array(variant.parameters.iter().map(|text| Json::text(text)))),
            ("median", Json::number(median(numbers))),
            ("rounds", Json::array(numbers.iter().copied().map(Json::number))),
        ])
    });
    Json::object([
        ("title", Json::text(options.title.as_deref().unwrap_or_default())),
        ("kind", Json::text("in-process")),
        ("unit", Json::text("ns/call")),
        ("operation", Json::text(&options.operation.to_string())),
        ("size", Json::number(options.size)),
        ("count", Json::number(options.count as f64)),
        ("threads", Json::number(options.threads as u32)),
        ("connections", Json::number(options.connections() as u32)),
        ("machine", machine::describe()),
        ("variants", Json::array(variants)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments;

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_first_variant_is_what_the_others_are_held_against() {
        let line = "compare --size 4096 -- c a.so -- rust b.so";
        let Ok(arguments::Command::Compare(options, variants)) =
            arguments::parse(line.split(' ').map(String::from))
        else {
            panic!();
        };
        let table = table(&options, &variants, &[vec![50.0], vec![75.0]]);
        let last = table.lines().last().unwrap();
        let words: Vec<_> = last.split_whitespace().collect();
        assert_eq!(words, ["rust", "75.0", "75.0", "75.0", "+25.0", "1.50"]);
    }
}
