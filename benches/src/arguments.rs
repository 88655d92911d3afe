//! The command line.

use std::collections::VecDeque;
use std::str::FromStr;

use crate::operation::Operation;

/// What `bench-host` without arguments prints.
pub const USAGE: &str = "\
usage:
  bench-host time    [OPTION...] PLUGIN [PARAMETER...]
  bench-host compare [OPTION...] -- NAME PLUGIN [PARAMETER...] [-- NAME PLUGIN ...]
  bench-host soak    [OPTION...] PLUGIN [PARAMETER...]

PLUGIN is the path of a plugin's .so; the PARAMETERs are what stands behind it on nbdkit's
command line.

options of time and compare:
  --operation NAME     pread, pwrite, zero or flush; default pread
  --size BYTES         of a request; default 512
  --count NUMBER       of requests, of all threads together; default 1000000
  --threads NUMBER     1 to 16; default 1
  --connections NUMBER that the threads are spread over; default one for each
  --warm-up NUMBER     of requests of each thread before those that are measured; default a
                       tenth of them, but no more than 100000
  --locks              takes nbdkit's locks with one thread, too

options of compare:
  --rounds NUMBER      how often each variant is run; default 7
  --title TEXT         what stands above the table
  --json FILE          where the raw numbers are written to

options of soak:
  --size BYTES         of a request; default 512
  --count NUMBER       of requests; default 2000000
  --step NUMBER        how many lie between two looks at the memory; default 200000
  --bound KIB          how much it may have grown from the first look to the last; default 1024

option of all:
  --verbose            shows the plugin's debug messages";

/// All options; a subcommand uses those that are its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    pub operation: Operation,
    pub size: u32,
    pub count: u64,
    pub threads: usize,
    connections: Option<usize>,
    pub warm_up: Option<u64>,
    pub locks: bool,
    pub rounds: usize,
    pub title: Option<String>,
    pub json: Option<String>,
    pub step: u64,
    pub bound: u64,
    pub verbose: bool,
}

impl Options {
    /// Never more than threads: each is to carry requests.
    pub fn connections(&self) -> usize {
        self.connections.unwrap_or(self.threads).min(self.threads)
    }

    /// How many requests of a thread go before `count` of them that are measured: caches, branch
    /// predictors and an interpreter's heap are to be as they are later on.
    pub fn warm_up_for(&self, count: u64) -> u64 {
        self.warm_up.unwrap_or((count / 10).clamp(1, 100_000))
    }
}

/// A plugin with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    pub name: String,
    pub plugin: String,
    pub parameters: Vec<String>,
}

/// A whole command line.
#[derive(Debug, PartialEq)]
pub enum Command {
    Time(Options, Variant),
    Compare(Options, Vec<Variant>),
    Soak(Options, Variant),
}

/// Reads a command line, without the program's own name.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut arguments: VecDeque<String> = arguments.into_iter().collect();
    let command = arguments.pop_front().ok_or(USAGE)?;
    let mut options = Options {
        operation: Operation::Pread,
        size: 512,
        count: if command == "soak" { 2_000_000 } else { 1_000_000 },
        threads: 1,
        connections: None,
        warm_up: None,
        locks: false,
        rounds: 7,
        title: None,
        json: None,
        step: 200_000,
        bound: 1024,
        verbose: false,
    };
    while let Some(name) = arguments.front().filter(|name| *name != "--" && name.starts_with("--"))
    {
        let name = name.clone();
        arguments.pop_front();
        match name.as_str() {
            "--verbose" => options.verbose = true,
            "--locks" => options.locks = true,
            _ => {
                let value = arguments.pop_front().ok_or_else(|| format!("{name} needs a value"))?;
                set(&mut options, &name, &value)?;
            }
        }
    }
    match command.as_str() {
        "time" => Ok(Command::Time(options, variant(String::new(), arguments)?)),
        "soak" => Ok(Command::Soak(options, variant(String::new(), arguments)?)),
        "compare" => Ok(Command::Compare(options, variants(arguments)?)),
        _ => Err(format!("unknown command {command}\n{USAGE}")),
    }
}

/// An option that has a value.
fn set(options: &mut Options, name: &str, value: &str) -> Result<(), String> {
    match name {
        "--operation" => options.operation = value.parse()?,
        "--size" => options.size = number(name, value, 1, 64 << 20)?,
        "--count" => options.count = number(name, value, 1, u64::MAX)?,
        "--threads" => options.threads = number(name, value, 1, 16)?,
        "--connections" => options.connections = Some(number(name, value, 1, 16)?),
        "--warm-up" => options.warm_up = Some(number(name, value, 0, u64::MAX)?),
        "--rounds" => options.rounds = number(name, value, 1, 1000)?,
        "--title" => options.title = Some(value.to_string()),
        "--json" => options.json = Some(value.to_string()),
        "--step" => options.step = number(name, value, 1, u64::MAX)?,
        "--bound" => options.bound = number(name, value, 0, u64::MAX)?,
        _ => return Err(format!("unknown option {name}\n{USAGE}")),
    }
    Ok(())
}

fn number<T>(name: &str, value: &str, least: T, most: T) -> Result<T, String>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    match value.parse() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(format!("{name} {value}: expected a number from {least} to {most}")),
    }
}

fn variant(name: String, mut arguments: VecDeque<String>) -> Result<Variant, String> {
    let plugin = arguments.pop_front().ok_or("the path of a plugin is missing")?;
    Ok(Variant { name, plugin, parameters: arguments.into() })
}

/// Each one follows a `--`.
fn variants(arguments: VecDeque<String>) -> Result<Vec<Variant>, String> {
    let arguments = Vec::from(arguments);
    let mut parts = arguments.split(|argument| argument == "--");
    if parts.next().is_none_or(|before| !before.is_empty()) {
        return Err("compare: a variant begins with --".into());
    }
    let variants: Result<Vec<_>, _> = parts
        .map(|part| {
            let mut part: VecDeque<String> = part.iter().cloned().collect();
            let name = part.pop_front().ok_or("the name of a variant is missing")?;
            variant(name, part)
        })
        .collect();
    match variants {
        Ok(variants) if variants.is_empty() => Err("compare: no variant was given".into()),
        variants => variants,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split(' ').map(String::from))
    }

    #[test]
    fn options_stand_before_the_plugin_and_parameters_behind_it() {
        let Ok(Command::Time(options, variant)) =
            parsed("time --operation pwrite --size 4096 --threads 2 ./a.so --x size=1M")
        else {
            panic!();
        };
        assert_eq!(options.operation, Operation::Pwrite);
        assert_eq!((options.size, options.threads, options.connections()), (4096, 2, 2));
        assert_eq!(variant.plugin, "./a.so");
        assert_eq!(variant.parameters, ["--x", "size=1M"]);
    }

    #[test]
    fn the_warm_up_is_a_tenth_unless_it_is_given() {
        for (line, of_1000, locks) in [
            ("time ./a.so", 100, false),
            ("time --warm-up 0 ./a.so", 0, false),
            ("time --locks --warm-up 7 ./a.so", 7, true),
        ] {
            let Ok(Command::Time(options, _)) = parsed(line) else {
                panic!("{line}");
            };
            assert_eq!((options.warm_up_for(1000), options.locks), (of_1000, locks), "{line}");
        }
    }

    #[test]
    fn variants_are_told_apart() {
        let Ok(Command::Compare(options, variants)) =
            parsed("compare --rounds 3 -- c ./a.so x=1 -- rust ./b.so")
        else {
            panic!();
        };
        assert_eq!(options.rounds, 3);
        assert_eq!(variants.len(), 2);
        assert_eq!(variants[0].parameters, ["x=1"]);
        assert_eq!((variants[1].name.as_str(), variants[1].plugin.as_str()), ("rust", "./b.so"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "time",
            "time --size 0 ./a.so",
            "time --size",
            "time --threads 17 ./a.so",
            "time --sise 1 ./a.so",
            "compare",
            "compare ./a.so",
            "compare -- a",
            "compare -- a ./a.so --",
            "race ./a.so",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
