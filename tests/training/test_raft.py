"""The regression-aware loss finds every probability that the model is to write, and only those."""

import pytest
import torch

from meeting_agent.inference.loading import load_model, load_tokenizer
from meeting_agent.training.rows import IGNORED, prediction_row


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    import trl
    from datasets import Dataset

    from meeting_agent.training.raft import RaftTrainer

    tokenizer = load_tokenizer("models/base")
    row = prediction_row(tokenizer, "Who?", '{"probability": 0.73, "reason": "needs"}')
    args = trl.SFTConfig(output_dir=str(tmp_path_factory.mktemp("raft")), report_to="none", use_cpu=True)
    return RaftTrainer(
        model=load_model("models/base"),
        args=args,
        train_dataset=Dataset.from_list([row]),
        processing_class=tokenizer,
        raft_weight=20.0,
    )


def batch(trainer, *completions):
    rows = [prediction_row(trainer.tokenizer, "Who?", c) for c in completions]
    size = max(len(r["input_ids"]) for r in rows)
    return {
        "input_ids": torch.tensor([r["input_ids"] + [0] * (size - len(r["input_ids"])) for r in rows]),
        "attention_mask": torch.tensor([[1] * len(r["input_ids"]) + [0] * (size - len(r["input_ids"])) for r in rows]),
        "labels": torch.tensor([r["labels"] + [IGNORED] * (size - len(r["labels"])) for r in rows]),
    }


def test_targets_are_the_written_numbers(trainer):
    inputs = batch(trainer, '{"probability": 0.73, "reason": "needs"}', '{"score": 0.10}', '{"probability": 0.05}')
    row, last = trainer._openings(inputs["labels"])
    assert row.tolist() == [0, 2]
    assert trainer._targets(inputs["labels"], row, last).tolist() == pytest.approx([0.73, 0.05])


def test_evaluation_loss_is_the_squared_error_and_a_batch_without_numbers_has_none(trainer):
    inputs = batch(trainer, '{"probability": 0.73, "reason": "needs"}')
    model = trainer.model.eval()
    row, last = trainer._openings(inputs["labels"])
    said = trainer.reader.expected(model(inputs["input_ids"]).logits[row, last])
    loss = trainer.compute_loss(model, inputs)
    assert loss.item() == pytest.approx((said.item() - 0.73) ** 2, abs=1e-5)
    assert trainer.compute_loss(model, batch(trainer, '{"score": 0.10}')).item() == 0.0


def test_training_loss_of_padded_rows_is_that_of_the_rows_alone(trainer):
    completions = '{"probability": 0.73, "reason": "needs"}', '{"score": 0.10}'
    model = trainer.model.train()

    def cross_entropy(*completions):
        trainer.compute_loss(model, batch(trainer, *completions))
        return trainer._metrics["train"]["cross_entropy"][-1]

    def written(completion):
        return int((batch(trainer, completion)["labels"] != IGNORED).sum())

    alone = [cross_entropy(c) * written(c) for c in completions]
    assert cross_entropy(*completions) == pytest.approx(sum(alone) / sum(map(written, completions)), rel=1e-5)
