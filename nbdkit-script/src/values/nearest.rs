//! The known name that a misspelt one was probably meant to be.

/// The known name that is nearest to a word, if it is near enough to be meant. `bare` takes off
/// what says nothing about either, such as a prefix.
pub(crate) fn nearest<'a>(
    word: &str,
    known: impl Iterator<Item = &'a str>,
    bare: fn(&str) -> &str,
) -> Option<&'a str> {
    let word = word.to_lowercase();
    let (distance, nearest) =
        known.map(|known| (strsim::osa_distance(bare(&word), bare(known)), known)).min()?;
    // Short words allow one wrong letter only: "read" may be "pread", but "send" is not "open".
    let close = if bare(nearest).len() <= 5 { 1 } else { 2 };
    (distance <= close).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_or_two_in_a_long_word_and_one_in_a_short_one() {
        let meant = |word| nearest(word, ["size", "offset", "readahead"].into_iter(), |name| name);
        assert_eq!(meant("sise"), Some("size"));
        assert_eq!(meant("Size"), Some("size"));
        assert_eq!(meant("ofset"), Some("offset"));
        assert_eq!(meant("read-aheat"), Some("readahead"));
        assert_eq!(meant("site1"), None);
        assert_eq!(meant("colour"), None);
        assert_eq!(nearest("size", std::iter::empty(), |name| name), None);
    }
}
