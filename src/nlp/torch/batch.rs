//! Which windows go through the encoder together, and what happens when a batch fails. Pure: no tensor here.

/// Windows of near length, as indices into `lengths`, in batches whose padded size stays within `budget` tokens; every
/// index stands in exactly one batch. A window over the budget goes alone.
pub(super) fn plan(lengths: &[(usize, usize)], budget: usize) -> Vec<Vec<usize>> {
    let mut sorted = lengths.to_vec();
    sorted.sort_by_key(|(_, length)| *length);
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut current: Vec<usize> = Vec::new();
    for (index, length) in sorted {
        if !current.is_empty() && (current.len() + 1) * padded(length) > budget {
            batches.push(std::mem::take(&mut current));
        }
        current.push(index);
    }
    if !current.is_empty() {
        batches.push(current);
    }
    batches
}

/// Lengths are rounded up to few values, since the allocator keeps memory for every shape it has seen.
pub(super) fn padded(length: usize) -> usize {
    length.div_ceil(8) * 8
}

/// Runs a batch given by the places of its windows.
pub(super) type Run<'a, T, E> = dyn FnMut(&[usize]) -> Result<Vec<T>, E> + 'a;

/// Answers a batch with `run`; when it fails, its halves, so that only what fails by itself gets the error.
pub(super) fn answer<T, E>(
    batch: &[usize],
    run: &mut Run<'_, T, E>,
    give: &mut dyn FnMut(usize, Result<T, E>),
) where
    E: From<String>,
{
    match run(batch) {
        Ok(outputs) if outputs.len() == batch.len() => {
            for (index, output) in batch.iter().zip(outputs) {
                give(*index, Ok(output));
            }
        }
        Ok(outputs) => {
            for index in batch {
                let reason = format!("{} answers for {} windows", outputs.len(), batch.len());
                give(*index, Err(E::from(reason)));
            }
        }
        Err(error) => match batch {
            [index] => give(*index, Err(error)),
            _ => {
                let (left, right) = batch.split_at(batch.len() / 2);
                answer(left, run, give);
                answer(right, run, give);
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_bad_window_fails_alone() {
        let mut runs = 0;
        let mut run = |batch: &[usize]| {
            runs += 1;
            if batch.contains(&5) { Err("poison".to_owned()) } else { Ok(batch.to_vec()) }
        };
        let mut answers = vec![None; 8];
        let batch: Vec<usize> = (0..8).collect();
        answer(&batch, &mut run, &mut |index, answer| answers[index] = Some(answer));
        for (index, answer) in answers.into_iter().enumerate() {
            let expected = if index == 5 { Err("poison".to_owned()) } else { Ok(index) };
            assert_eq!(answer, Some(expected));
        }
        assert_eq!(runs, 7, "halving, not one by one");
    }

    #[test]
    fn a_short_answer_is_an_error_for_all() {
        let mut run = |_: &[usize]| Ok::<_, String>(vec![1]);
        let mut errors = 0;
        answer(&[0, 1], &mut run, &mut |_, answer| errors += usize::from(answer.is_err()));
        assert_eq!(errors, 2);
    }

    proptest! {
        #[test]
        fn batches_hold_every_window_once_within_budget(lengths in prop::collection::vec(1usize..200, 0..100), budget in 64usize..4000) {
            let indexed: Vec<_> = lengths.iter().copied().enumerate().collect();
            let batches = plan(&indexed, budget);
            let mut seen: Vec<usize> = batches.iter().flatten().copied().collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for batch in batches {
                let longest = batch.iter().map(|index| lengths[*index]).max().unwrap();
                prop_assert!(batch.len() == 1 || batch.len() * padded(longest) <= budget);
            }
        }
    }
}
