"""DPO beside which the closing number learns from outcomes."""

from itertools import islice
from pathlib import Path

import pytest
import torch
import trl

from meeting_agent.agent.trajectory_file import TraceFile
from meeting_agent.conference import Conference
from meeting_agent.inference.loading import load_model, load_tokenizer, with_adapter
from meeting_agent.training.dpo import preference_dataset
from meeting_agent.training.masks import AgentPreferenceCollator
from meeting_agent.training.outcome_dpo import OutcomeDPOTrainer
from meeting_agent.training.outcomes import BATCH, outcome_rows

SFT = "models/sft_prediction_model_gemma_270m"


@pytest.fixture(scope="module")
def trainer(pairs, tmp_path_factory):
    tokenizer = load_tokenizer("models/base")
    traces = islice(TraceFile(Path("trajectories/agent_traces.json")), 60)
    return OutcomeDPOTrainer(
        model=with_adapter(load_model("models/base"), SFT, trainable=True),
        args=trl.DPOConfig(
            output_dir=str(tmp_path_factory.mktemp("dpo")),
            max_length=None,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            remove_unused_columns=False,
            seed=5,
        ),
        train_dataset=preference_dataset(pairs[:2], tokenizer),
        processing_class=tokenizer,
        data_collator=AgentPreferenceCollator(pad_token_id=tokenizer.pad_token_id),
        outcome_rows=outcome_rows(Conference(), traces, tokenizer),
        outcome_weight=20.0,
    )


def test_the_squared_error_is_added_in_training_only(trainer):
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(2)])
    model = trainer.model.train()
    whole = trainer.compute_loss(model, dict(batch)).item()
    squared = trainer._metrics["train"]["outcome_squared_error"][-1]
    assert 0.01 < squared < 1.0
    trainer.outcome_weight, weight = 0.0, trainer.outcome_weight
    alone = trainer.compute_loss(model, dict(batch)).item()
    trainer.outcome_weight = weight
    assert whole == pytest.approx(alone + 20.0 * squared, rel=1e-5)
    assert alone == pytest.approx(0.6931, abs=1e-3)
    count = len(trainer._metrics["train"]["outcome_squared_error"])
    trainer.compute_loss(model.eval(), dict(batch))
    assert len(trainer._metrics["train"]["outcome_squared_error"]) == count


def test_the_term_moves_the_number_towards_what_happened(trainer):
    batch = trainer.outcome_batch()
    model = trainer.model.train()
    loss = trainer.losses(model, batch).squared_error
    loss.backward()
    with torch.no_grad():
        weights = [p for p in model.parameters() if p.grad is not None]
        length = torch.stack([p.grad.norm() for p in weights]).norm()
        assert length > 0
        for p in weights:
            p -= 0.01 * p.grad / length
        assert trainer.losses(model, batch).squared_error < loss
        for p in weights:
            p += 0.01 * p.grad / length
    model.zero_grad()


def test_a_steps_number_decides_its_rows(trainer):
    def batch_of(step):
        trainer.state.global_step = step
        return trainer.outcome_batch()["input_ids"]

    first, second, resumed = batch_of(3), batch_of(4), batch_of(3)
    assert torch.equal(first, resumed)
    assert len(first) == len(second) == BATCH
    assert first.shape != second.shape or not torch.equal(first, second)


def test_batches_of_a_step_share_its_rows(trainer, monkeypatch):
    trainer.state.global_step = 7
    whole = {tuple(row[row != 0].tolist()) for row in trainer.outcome_batch()["input_ids"]}
    monkeypatch.setattr(trainer.args, "gradient_accumulation_steps", 4)
    trainer.place = (-1, 0)
    parts = [trainer.outcome_batch()["input_ids"] for _ in range(4)]
    assert [len(part) for part in parts] == [BATCH // 4] * 4
    assert {tuple(row[row != 0].tolist()) for part in parts for row in part} == whole
