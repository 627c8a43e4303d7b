//! How words begin: a quick look that tells most words of configuration from ids.

/// Beginnings of three letters; which of them are capital letters, and what else is none, is not told apart.
#[derive(Debug, Clone)]
pub(super) struct Beginnings(Box<[u32; LETTERS * LETTERS]>);

const LETTERS: usize = 32;

impl Default for Beginnings {
    fn default() -> Self {
        Self(Box::new([0; LETTERS * LETTERS]))
    }
}

impl Beginnings {
    fn letter(byte: u8) -> usize {
        usize::from(byte) % LETTERS
    }

    pub fn add(&mut self, word: &str) {
        // Whatever goes on behind a short word begins like it.
        match *word.as_bytes() {
            [] => self.0.fill(u32::MAX),
            [first] => self.0[Self::letter(first) * LETTERS..][..LETTERS].fill(u32::MAX),
            [first, second] => self.0[Self::letter(first) * LETTERS + Self::letter(second)] = u32::MAX,
            [first, second, third, ..] => {
                self.0[Self::letter(first) * LETTERS + Self::letter(second)] |= 1 << Self::letter(third);
            }
        }
    }

    /// Whether a word of this beginning may have been added; of one that is shorter nobody knows.
    pub fn may_hold(&self, word: &str) -> bool {
        let &[first, second, third, ..] = word.as_bytes() else { return true };
        self.0[Self::letter(first) * LETTERS + Self::letter(second)] >> Self::letter(third) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_like_an_id_is_never_told_that_it_does_not() {
        for id in ["", "e", "eu", "eur", "europe-west1", "Ostrava", "é"] {
            let mut beginnings = Beginnings::default();
            beginnings.add(id);
            for word in [id.to_owned(), format!("{id}x"), format!("{id}-xyz")] {
                assert!(beginnings.may_hold(&word), "{word} may begin with {id}");
            }
        }
        let mut beginnings = Beginnings::default();
        beginnings.add("eu");
        beginnings.add("vap");
        assert!(!beginnings.may_hold("value"));
        assert!(!beginnings.may_hold("us-west"));
    }
}
