//! What can be put into a buffer, and what its request gets.

use super::*;

fn filled(fill: impl FnOnce(ReadBuffer<'_>) -> Result<Filled<'_>>) -> Result<[u8; 4]> {
    let mut memory = [0xaa; 4];
    fill(ReadBuffer::new(&mut memory))?;
    Ok(memory)
}

#[test]
fn copy_from_ignores_surplus_bytes_and_refuses_too_few() {
    assert_eq!(filled(|b| b.copy_from(b"abcdef")).unwrap(), *b"abcd");
    let error = filled(|b| b.copy_from(b"")).unwrap_err();
    assert_eq!(error.to_string(), "returned 0 bytes, expected 4");
}

#[test]
fn append_fills_in_order_and_finish_refuses_a_gap_at_the_end() {
    let whole = filled(|mut b| {
        assert_eq!(b.append(b"ab"), 2);
        assert_eq!(b.append_zeroes(1), 1);
        assert_eq!(b.append(b"xyz"), 1);
        b.finish()
    });
    assert_eq!(whole.unwrap(), *b"ab\0x");
    let error = filled(|mut b| {
        b.append(b"abc");
        b.finish()
    });
    assert_eq!(error.unwrap_err().to_string(), "returned 3 bytes, expected 4");
}

#[test]
fn read_with_goes_on_until_full_and_retries_after_interruptions() {
    let mut calls = 0;
    let whole = filled(|b| {
        b.read_with(|missing, done| {
            calls += 1;
            if calls == 2 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            missing[0] = b'0' + done as u8;
            Ok(1)
        })
    });
    assert_eq!(whole.unwrap(), *b"0123");
    assert_eq!(calls, 5);
}

#[test]
fn read_with_refuses_end_of_file_and_a_wrong_count() {
    let error = filled(|b| b.read_with(|_, done| Ok(usize::from(done < 3))));
    assert_eq!(error.unwrap_err().to_string(), "returned 3 bytes, expected 4");
    let error = filled(|b| b.read_with(|_, _| Ok(5))).unwrap_err();
    assert!(error.to_string().contains("room for 4"), "{error}");
    let error = filled(|b| b.read_with(|_, _| Err(io::Error::from_raw_os_error(libc::ESTALE))));
    assert_eq!(error.unwrap_err().errno(), libc::ESTALE);
}

#[test]
fn write_at_in_any_order_leaves_nothing_stale() {
    let whole = filled(|mut b| {
        assert!(b.write_at(2, b"x"));
        Ok(b.finish_with_zeroes())
    });
    assert_eq!(whole.unwrap(), *b"\0\0x\0");
    let whole = filled(|mut b| {
        assert!(b.write_at(0, b"abcd"));
        assert!(b.fill_at(1, b'-', 2));
        assert!(!b.write_at(3, b"xy"));
        assert!(!b.write_at(usize::MAX, b"x"));
        assert!(b.write_at(4, b""));
        Ok(b.finish_with_zeroes())
    });
    assert_eq!(whole.unwrap(), *b"a--d");
}

#[test]
fn write_with_leaves_nothing_stale_where_it_fails() {
    let whole = filled(|mut b| {
        let written = b.write_with(1, 1, |bytes| {
            bytes.fill(b'x');
            Ok(())
        });
        assert!(written.unwrap());
        assert!(!b.write_with(3, 2, |_| unreachable!())?);
        let failed = b.write_with(2, 2, |bytes| {
            bytes[0] = b'y';
            Err(Error::msg("no"))
        });
        assert_eq!(failed.unwrap_err().message(), "no");
        Ok(b.finish_with_zeroes())
    });
    assert_eq!(whole.unwrap(), *b"\0x\0\0");
}

#[test]
fn copy_within_overlaps_and_leaves_nothing_stale() {
    let whole = filled(|mut b| {
        b.write_at(0, b"ab");
        assert!(b.copy_within(0, 1, 2));
        assert!(!b.copy_within(3, 0, 2));
        assert!(!b.copy_within(0, 3, 2));
        Ok(b.finish_with_zeroes())
    });
    assert_eq!(whole.unwrap(), *b"aab\0");
    let whole = filled(|mut b| {
        assert!(b.copy_within(2, 0, 2));
        Ok(b.finish_with_zeroes())
    });
    assert_eq!(whole.unwrap(), [0; 4]);
}

#[test]
fn read_at_never_shows_unwritten_bytes() {
    let whole = filled(|mut b| {
        b.write_at(0, b"a");
        assert_eq!(b.read_at(0, 3), Some(&b"a\0\0"[..]));
        assert_eq!(b.read_at(3, 2), None);
        b.write_at(1, b"b");
        Ok(b.finish_with_zeroes())
    });
    assert_eq!(whole.unwrap(), *b"ab\0\0");
}

#[test]
fn zero_missing_keeps_written_bytes_and_leaves_nothing_stale() {
    let whole = filled(|mut b| {
        b.append(b"a");
        b.zero_missing()[2] = b'x';
        b.finish()
    });
    assert_eq!(whole.unwrap(), *b"a\0x\0");
}

#[test]
fn a_buffer_is_untouched_until_a_byte_is_written_or_read() {
    let mut memory = [0xaa; 4];
    let mut buffer = ReadBuffer::new(&mut memory);
    buffer.write_at(0, b"");
    buffer.append_zeroes(0);
    assert!(buffer.is_untouched());
    buffer.read_at(0, 1);
    assert!(!buffer.is_untouched());
    let mut opened = ReadBuffer::new(&mut memory);
    opened.zero_missing();
    assert!(!opened.is_untouched());
}

#[test]
fn zeroed_leaves_nothing_stale() {
    let whole = filled(|b| {
        b.zeroed(|bytes| {
            bytes[2] = 1;
            Ok(())
        })
    });
    assert_eq!(whole.unwrap(), [0, 0, 1, 0]);
}
