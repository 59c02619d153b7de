"""Training from weights with dense layers after the pooling."""

import pytest

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.tasks.embedding.model import AlbertEmbedder
from albert_tf.tasks.embedding.task import EmbeddingTask
from tests.support import tiny_task


@pytest.mark.parametrize("pooling", ["cls", "mean,cls", "mean", ""])
def test_dense_layers_keep_the_pooling_that_they_were_trained_with(pooling, tmp_path, spm):
    model = AlbertEmbedder(AlbertConfig(**tiny_task.MODEL), "mean", dense=[{"units": 5}])
    model.save_pretrained(tmp_path / "model", spm)
    (tmp_path / "a.csv").write_text("text,second_text\na file,one\na list,two\n")
    params = EmbeddingTask.config_class()(
        init_from=str(tmp_path / "model"), objective="pairs", pooling=pooling
    )
    data = params.train_data
    data.input_path, data.seq_length, data.global_batch_size = str(tmp_path / "a.csv"), 16, 2
    task = EmbeddingTask(params)
    if pooling in ("mean", ""):
        task.check()
        assert task.describe().settings["pooling"] == ["mean"]
        assert task.describe().settings["dense"][0]["units"] == 5
        return
    message = "if they have dense layers.*Received POOLING=cls.* for weights with mean. Leave it"
    with pytest.raises(InputError, match=message):
        task.check()
