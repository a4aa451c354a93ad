"""Output of a kept JVM goes to the session that uses it."""

import os

from harness.keeper.outputs import Outputs


def reading():
    reader, writer = os.pipe()
    return reader, writer


def test_each_session_gets_what_is_written_while_it_lasts():
    outputs = Outputs()
    for text in (b"first", b"second"):
        (out, out_writer), (err, err_writer) = reading(), reading()
        outputs.send_to([out_writer, err_writer])
        os.write(outputs.writers[0], text)
        os.write(outputs.writers[1], b"E" + text)
        assert (os.read(out, 100), os.read(err, 100)) == (text, b"E" + text)
    outputs.close()


def test_a_session_that_has_ended_does_not_stop_the_jvm():
    outputs = Outputs()
    out, writer = reading()
    outputs.send_to([writer, os.dup(writer)])
    os.close(out)
    for _ in range(100):
        os.write(outputs.writers[0], b"x" * 10_000)
    outputs.send_to([])
    os.write(outputs.writers[0], b"x" * 200_000)
    outputs.close()
