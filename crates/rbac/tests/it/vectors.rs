//! The checked-in answers of picomatch 4, and texts that are no patterns.

/// What is known of patterns.
#[derive(Default)]
pub(crate) struct Answers {
    /// Pattern, repository, whether it matches.
    pub(crate) pairs: Vec<(String, String, bool)>,
    /// Text, position of the first wrong character.
    pub(crate) refused: Vec<(String, usize)>,
}

/// Everything in `repo_patterns.vectors`.
pub(crate) fn vectors() -> Answers {
    let mut answers = Answers::default();
    for line in include_str!("repo_patterns.vectors").lines() {
        if line.is_empty() || line.starts_with('#') || line == "refused" {
            continue;
        }
        match line.split('\t').collect::<Vec<_>>()[..] {
            [pattern, repo, answer @ ("yes" | "no")] => {
                answers.pairs.push((pattern.to_owned(), repo.to_owned(), answer == "yes"));
            }
            [text, position] => answers.refused.push((text.to_owned(), position.parse().unwrap())),
            _ => panic!("not a vector: {line:?}"),
        }
    }
    assert!(answers.pairs.len() > 700 && answers.refused.len() > 50, "the vectors have shrunk");
    answers
}
