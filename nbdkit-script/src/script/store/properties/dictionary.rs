//! The dictionary against a plain map.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::config;
use crate::script::store::{Dictionary, Refusal, Value};
use crate::values::Number;

/// An operation on a key.
#[derive(Debug, Clone)]
enum Operation {
    Get,
    Set(Option<Value>, Life),
    Add(Value, Life),
    Replace(Value, Life),
    Increment(Number, Option<Number>),
    Push(Value, bool),
    Pop(bool),
    Length,
    Expire(Life),
    TimeToLive,
    Keys,
    Clear,
}

/// When a key expires: never, at once, or long after the test.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Life {
    ForGood,
    Over,
    Long,
}

impl Life {
    fn duration(self) -> Option<Duration> {
        match self {
            Life::ForGood => None,
            Life::Over => Some(Duration::ZERO),
            Life::Long => Some(Duration::from_secs(100_000)),
        }
    }
}

fn life() -> impl Strategy<Value = Life> {
    prop_oneof![3 => Just(Life::ForGood), 1 => Just(Life::Over), 1 => Just(Life::Long)]
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        (-5..5_i64).prop_map(Number::Integer),
        any::<i64>().prop_map(Number::Integer),
        prop_oneof![Just(i64::MAX), Just(i64::MIN)].prop_map(Number::Integer),
        (-1e18..1e18).prop_map(Number::Float),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        vec(any::<u8>(), 0..3).prop_map(Value::String),
        number().prop_map(Value::Number),
        any::<bool>().prop_map(Value::Boolean),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    prop_oneof![
        3 => Just(Get),
        3 => (proptest::option::weighted(0.8, value()), life()).prop_map(|(v, l)| Set(v, l)),
        2 => (value(), life()).prop_map(|(v, l)| Add(v, l)),
        2 => (value(), life()).prop_map(|(v, l)| Replace(v, l)),
        3 => (number(), proptest::option::of(number())).prop_map(|(n, i)| Increment(n, i)),
        4 => (value(), any::<bool>()).prop_map(|(v, front)| Push(v, front)),
        3 => any::<bool>().prop_map(Pop),
        1 => Just(Length),
        1 => life().prop_map(Expire),
        1 => Just(TimeToLive),
        1 => Just(Keys),
        1 => Just(Clear),
    ]
}

/// What an operation returned.
#[derive(Debug, PartialEq)]
enum Outcome {
    Done,
    Value(Option<Value>),
    Number(Number),
    Count(usize),
    Lives(bool),
    Keys(BTreeSet<Vec<u8>>),
    Refused(Refusal),
}

fn outcome<T>(result: Result<T, Refusal>, make: impl FnOnce(T) -> Outcome) -> Outcome {
    result.map_or_else(Outcome::Refused, make)
}

fn at_dictionary(dictionary: &Dictionary, key: &[u8], operation: Operation) -> Outcome {
    let done = |()| Outcome::Done;
    match operation {
        Operation::Get => outcome(dictionary.get(key), Outcome::Value),
        Operation::Set(value, life) => outcome(dictionary.set(key, value, life.duration()), done),
        Operation::Add(value, life) => outcome(dictionary.add(key, value, life.duration()), done),
        Operation::Replace(value, life) => {
            outcome(dictionary.replace(key, value, life.duration()), done)
        }
        Operation::Increment(by, initial) => {
            outcome(dictionary.increment(key, by, initial), Outcome::Number)
        }
        Operation::Push(value, front) => {
            outcome(dictionary.push(key, value, front), Outcome::Count)
        }
        Operation::Pop(front) => outcome(dictionary.pop(key, front), Outcome::Value),
        Operation::Length => outcome(dictionary.length(key), Outcome::Count),
        Operation::Expire(life) => outcome(dictionary.expire(key, life.duration()), done),
        Operation::TimeToLive => {
            outcome(dictionary.time_to_live(key), |lives| Outcome::Lives(lives.is_some()))
        }
        Operation::Keys => {
            outcome(dictionary.keys(usize::MAX), |keys| Outcome::Keys(keys.into_iter().collect()))
        }
        Operation::Clear => {
            dictionary.clear();
            Outcome::Done
        }
    }
}

#[derive(Debug, Clone)]
enum Content {
    One(Value),
    List(VecDeque<Value>),
}

/// Keys with their contents, and whether they expire.
#[derive(Default)]
struct Map(HashMap<Vec<u8>, (Content, Life)>);

impl Map {
    fn put(&mut self, key: &[u8], value: Value, life: Life) -> Outcome {
        self.0.insert(key.to_vec(), (Content::One(value), life));
        Outcome::Done
    }

    fn run(&mut self, key: &[u8], operation: Operation) -> Outcome {
        let outcome = self.operate(key, operation);
        self.0.retain(|_, (_, life)| *life != Life::Over);
        outcome
    }

    fn operate(&mut self, key: &[u8], operation: Operation) -> Outcome {
        use Outcome::Refused;
        let entry = self.0.get_mut(key);
        match (operation, entry) {
            (Operation::Keys, _) => Outcome::Keys(self.0.keys().cloned().collect()),
            (Operation::Clear, _) => {
                self.0.clear();
                Outcome::Done
            }
            (Operation::Get, None) => Outcome::Value(None),
            (Operation::Get, Some((Content::One(value), _))) => Outcome::Value(Some(value.clone())),
            (Operation::Get, Some(_)) => Refused("value is a list"),
            (Operation::Set(None, _), _) => {
                self.0.remove(key);
                Outcome::Done
            }
            (Operation::Set(Some(value), life), _) => self.put(key, value, life),
            (Operation::Add(..), Some(_)) => Refused("exists"),
            (Operation::Add(value, life), None) => self.put(key, value, life),
            (Operation::Replace(..) | Operation::Expire(_) | Operation::TimeToLive, None) => {
                Refused("not found")
            }
            (Operation::Replace(value, life), Some(_)) => self.put(key, value, life),
            (Operation::Expire(life), Some(entry)) => {
                entry.1 = life;
                Outcome::Done
            }
            (Operation::TimeToLive, Some((_, life))) => Outcome::Lives(*life == Life::Long),
            (Operation::Increment(by, Some(initial)), None) => {
                let sum = plus(initial, by);
                self.put(key, Value::Number(sum), Life::ForGood);
                Outcome::Number(sum)
            }
            (Operation::Increment(_, None), None) => Refused("not found"),
            (Operation::Increment(by, _), Some((Content::One(Value::Number(number)), _))) => {
                *number = plus(*number, by);
                Outcome::Number(*number)
            }
            (Operation::Increment(..), Some(_)) => Refused("not a number"),
            (Operation::Push(value, _), None) => {
                let list = Content::List(VecDeque::from([value]));
                self.0.insert(key.to_vec(), (list, Life::ForGood));
                Outcome::Count(1)
            }
            (Operation::Push(value, front), Some((Content::List(list), _))) => {
                list.insert(if front { 0 } else { list.len() }, value);
                Outcome::Count(list.len())
            }
            (Operation::Pop(_), None) => Outcome::Value(None),
            (Operation::Pop(front), Some((Content::List(list), _))) => {
                let value = list.remove(if front { 0 } else { list.len() - 1 });
                if list.is_empty() {
                    self.0.remove(key);
                }
                Outcome::Value(value)
            }
            (Operation::Length, None) => Outcome::Count(0),
            (Operation::Length, Some((Content::List(list), _))) => Outcome::Count(list.len()),
            (Operation::Push(..) | Operation::Pop(_) | Operation::Length, Some(_)) => {
                Refused("value not a list")
            }
        }
    }
}

fn plus(a: Number, b: Number) -> Number {
    let float = |number| match number {
        Number::Integer(integer) => integer as f64,
        Number::Float(float) => float,
    };
    let exact = match (a, b) {
        (Number::Integer(a), Number::Integer(b)) => {
            i64::try_from(i128::from(a) + i128::from(b)).ok()
        }
        _ => None,
    };
    exact.map_or_else(|| Number::Float(float(a) + float(b)), Number::Integer)
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn the_dictionary_is_as_a_plain_map(operations in vec((0..4_u8, operation()), 1..100)) {
        let dictionary = Dictionary::default();
        let mut map = Map::default();
        for (key, operation) in operations {
            let expected = map.run(&[key], operation.clone());
            prop_assert_eq!(at_dictionary(&dictionary, &[key], operation), expected);
        }
    }

    // Each thread has its own keys, and all increment a common one.
    #[test]
    fn threads_see_their_own_keys_and_all_sums(
        operations in vec(vec((0..3_u8, operation()), 1..40), 2..5),
    ) {
        let dictionary = &Dictionary::default();
        let count = operations.iter().map(Vec::len).sum::<usize>();
        let results: Vec<Result<(), TestCaseError>> = std::thread::scope(|scope| {
            let work = |(number, operations): (usize, Vec<(u8, Operation)>)| {
                scope.spawn(move || {
                    let mut map = Map::default();
                    for (key, operation) in operations {
                        let zero = Number::Integer(0);
                        let _ = dictionary.increment(b"sum", Number::Integer(1), Some(zero));
                        if matches!(operation, Operation::Keys | Operation::Clear) {
                            continue;
                        }
                        let key = [number as u8, key];
                        let expected = map.run(&key, operation.clone());
                        prop_assert_eq!(at_dictionary(dictionary, &key, operation), expected);
                    }
                    Ok(())
                })
            };
            let threads: Vec<_> = operations.into_iter().enumerate().map(work).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        for result in results {
            result?;
        }
        let sum = Value::Number(Number::Integer(count as i64));
        prop_assert_eq!(dictionary.get(b"sum"), Ok(Some(sum)));
    }
}
