//! Whatever the requests, a file behaves like plain memory.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};

use super::tests::Scratch;
use super::{File, Mode};
use crate::values::{ExtentType, Flags};

/// Offsets and counts are below this, which spans several blocks of a file system.
const SIZE: u64 = 100_000;

#[derive(Debug, Clone, Copy)]
enum Request {
    Read,
    Write(u8, Flags),
    Zero(Flags),
    Trim(Flags),
    Extents(Flags),
    Truncate,
    Cache,
    Flush,
}

fn flags(all: Flags) -> impl Strategy<Value = Flags> {
    any::<u32>().prop_map(move |bits| Flags::from_bits_truncate(bits) & all)
}

fn request() -> impl Strategy<Value = Request> {
    use Request::*;
    // A flush takes a while on a real disk.
    let rarely = prop_oneof![20 => Just(Flags::empty()), 1 => Just(Flags::FUA)];
    let zero = flags(Flags::MAY_TRIM | Flags::FAST_ZERO);
    prop_oneof![
        4 => Just(Read),
        8 => (1..=255_u8, rarely.clone()).prop_map(|(byte, flags)| Write(byte, flags)),
        4 => (zero, rarely.clone()).prop_map(|(zero, rarely)| Zero(zero | rarely)),
        3 => rarely.prop_map(Trim),
        3 => flags(Flags::REQ_ONE).prop_map(Extents),
        1 => Just(Truncate),
        1 => Just(Cache),
        1 => Just(Flush),
    ]
}

/// Often at or next to the border of a block.
fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![0..SIZE, (0..SIZE / 4096, 0..3_u64).prop_map(|(block, n)| block * 4096 + n)]
}

/// Bytes that are not all the same, so that misplaced ones show.
fn bytes(first: u8, count: u64) -> Vec<u8> {
    (0..count).map(|n| first.wrapping_add((n / 7) as u8) | 1).collect()
}

fn read(file: &File, offset: u64, count: u64) -> crate::Result<Vec<u8>> {
    let mut bytes = vec![0xaa; count as usize];
    file.pread(&mut bytes, offset).map(|()| bytes)
}

fn write(model: &mut Vec<u8>, data: &[u8], offset: usize) {
    if !data.is_empty() {
        let end = offset + data.len();
        model.resize(model.len().max(end), 0);
        model[offset..end].copy_from_slice(data);
    }
}

/// Makes the same request to the file and to the model.
fn ask(
    file: &File,
    model: &mut Vec<u8>,
    request: Request,
    offset: u64,
    count: u64,
) -> Result<(), TestCaseError> {
    let (from, length) = (offset as usize, model.len());
    let inside = from.min(length)..(from + count as usize).min(length).max(from.min(length));
    match request {
        Request::Read => match read(file, offset, count) {
            // Skip ranges that may have no data.
            Ok(found) if count == 0 => prop_assert!(found.is_empty()),
            Ok(found) => prop_assert_eq!(Some(&found[..]), model.get(from..from + count as usize)),
            Err(error) => {
                prop_assert!(offset + count > length as u64, "{error}");
                prop_assert_eq!(error.errno(), libc::EIO);
            }
        },
        Request::Write(byte, flags) => {
            let data = bytes(byte, count);
            prop_assert!(file.pwrite(&data, offset, flags).is_ok());
            write(model, &data, from);
        }
        Request::Zero(flags) => match file.zero(count, offset, flags) {
            Ok(()) => {
                model[inside].fill(0);
                // Past the end, the file may or may not grow.
                let now = file.size().expect("the size") as usize;
                prop_assert!(now == length || now == length.max(from + count as usize));
                model.resize(now, 0);
            }
            Err(error) => prop_assert_eq!(error.errno(), libc::EOPNOTSUPP, "{}", error),
        },
        Request::Trim(flags) => {
            prop_assert!(file.trim(count, offset, flags).is_ok());
            let now = read(file, inside.start as u64, inside.len() as u64).expect("inside");
            let old = &mut model[inside];
            prop_assert!(now.iter().all(|byte| *byte == 0) || now == *old);
            old.copy_from_slice(&now);
        }
        Request::Extents(flags) => {
            let found = file.extents(count, offset, flags).expect("extents");
            prop_assert_eq!(found.is_empty(), count == 0);
            let mut here = offset;
            for extent in &found {
                prop_assert!(extent.length > 0 && extent.offset == here, "{:?}", found);
                here += extent.length;
                prop_assert!(here <= offset + count);
                let part = here.min(length as u64)..extent.offset.min(length as u64);
                let part = part.end as usize..part.start as usize;
                let zeroes = model[part].iter().all(|byte| *byte == 0);
                prop_assert!(
                    zeroes || !extent.extent_type.contains(ExtentType::ZERO),
                    "{:?}",
                    extent
                );
            }
            let ends_early = flags.contains(Flags::REQ_ONE);
            prop_assert!(here == offset + count || (ends_early && found.len() == 1));
        }
        Request::Truncate => {
            prop_assert!(file.truncate(offset).is_ok());
            model.resize(from, 0);
        }
        Request::Cache => prop_assert!(file.cache(count, offset).is_ok()),
        Request::Flush => prop_assert!(file.flush().and_then(|()| file.sync()).is_ok()),
    }
    prop_assert_eq!(file.size().expect("the size"), model.len() as u64);
    Ok(())
}

fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn a_file_is_as_plain_memory(
        size in 0..SIZE,
        requests in vec((request(), amount(), amount()), 1..40),
    ) {
        for scratch in Scratch::everywhere() {
            let path = scratch.path("model.img");
            let file = File::open(&path, Mode::Create(size)).expect("a file");
            // Each sees what the other writes.
            let other = File::open(&path, Mode::ReadWrite).expect("the same file");
            let mut model = vec![0; size as usize];
            for (number, (request, offset, count)) in requests.iter().enumerate() {
                let file = if number % 3 == 0 { &other } else { &file };
                ask(file, &mut model, *request, *offset, *count)?;
            }
            prop_assert!(read(&other, 0, model.len() as u64).expect("all of it") == model);
            prop_assert!(std::fs::read(&path).expect("the file") == model);
        }
    }

    #[test]
    fn a_padded_file_ends_with_a_block(
        size in 0..20_000_u64,
        block in 0..14_u32,
        reads in vec((0..40_000_u64, 0..40_000_u64), 1..20),
    ) {
        let scratch = Scratch::new();
        let path = scratch.path("padded.img");
        let data = bytes(1, size);
        std::fs::write(&path, &data).expect("a file");
        let file = File::open(&path, Mode::ReadOnly).expect("the file");
        let file = file.padded_to(1 << block).expect("a power of two");
        let mut model = data;
        model.resize(size.next_multiple_of(1 << block) as usize, 0);
        prop_assert_eq!(file.size().expect("the size"), model.len() as u64);
        for (offset, count) in reads {
            let there = offset as usize..(offset + count) as usize;
            match (read(&file, offset, count), model.get(there)) {
                (Ok(found), Some(expected)) => prop_assert!(found == expected),
                (Ok(_), None) => prop_assert_eq!(count, 0),
                (Err(error), expected) => {
                    prop_assert!(expected.is_none(), "{}", error);
                    prop_assert_eq!(error.errno(), libc::EIO);
                }
            }
        }
    }
}
