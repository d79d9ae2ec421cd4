"""Writes tensorboard.events: an event file, its messages made by protobuf itself (Debian: apt-get install python3-protobuf).

The messages' fields are those of TensorFlow's event.proto and summary.proto, of TensorBoard's plugin_data.proto for
hyperparameters, and of struct.proto. What is in the file is what test_tensorboard_logger.c logs.
"""
import struct

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2  # noqa: F401

T = descriptor_pb2.FieldDescriptorProto


def message(file, name, *fields):
    made = file.message_type.add(name=name)
    for number, field, kind, label, of in fields:
        made.field.add(name=field, number=number, type=kind, label=label, type_name=of)
    return made


def classes():
    file = descriptor_pb2.FileDescriptorProto(name="events.proto", package="t", syntax="proto3",
                                              dependency=["google/protobuf/struct.proto"])
    one, many = T.LABEL_OPTIONAL, T.LABEL_REPEATED
    message(file, "PluginData", (1, "plugin_name", T.TYPE_STRING, one, None), (2, "content", T.TYPE_BYTES, one, None))
    message(file, "Metadata", (1, "plugin_data", T.TYPE_MESSAGE, one, ".t.PluginData"))
    value = message(file, "Value", (1, "tag", T.TYPE_STRING, one, None), (2, "simple_value", T.TYPE_FLOAT, one, None),
                    (9, "metadata", T.TYPE_MESSAGE, one, ".t.Metadata"))
    value.oneof_decl.add(name="value")
    value.field[1].oneof_index = 0
    message(file, "Summary", (1, "value", T.TYPE_MESSAGE, many, ".t.Value"))
    message(file, "Event", (1, "wall_time", T.TYPE_DOUBLE, one, None), (2, "step", T.TYPE_INT64, one, None),
            (3, "file_version", T.TYPE_STRING, one, None), (5, "summary", T.TYPE_MESSAGE, one, ".t.Summary"))
    start = message(file, "Start", (1, "hparams", T.TYPE_MESSAGE, many, ".t.Start.HparamsEntry"))
    entry = start.nested_type.add(name="HparamsEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=T.TYPE_STRING, label=one)
    entry.field.add(name="value", number=2, type=T.TYPE_MESSAGE, label=one, type_name=".google.protobuf.Value")
    message(file, "HParams", (3, "session_start_info", T.TYPE_MESSAGE, one, ".t.Start"))
    pool = descriptor_pool.Default()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return {name: factory.GetPrototype(pool.FindMessageTypeByName("t." + name)) for name in ("Event", "HParams")}


def masked_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def record(out, event):
    data = event.SerializeToString(deterministic=True)
    length = struct.pack("<Q", len(data))
    out.write(length + masked_crc(length) + data + masked_crc(data))


made = classes()
Event, HParams = made["Event"], made["HParams"]
with open("tensorboard.events", "wb") as out:
    record(out, Event(file_version="brain.Event:2"))
    hparams = HParams()
    for name, value in (("lr", 1e-3), ("layers", 3), ("bias", True), ("dropout", False), ("optimizer", "größe")):
        field = {bool: "bool_value", str: "string_value"}.get(type(value), "number_value")
        setattr(hparams.session_start_info.hparams[name], field, value)
    event = Event()
    start = event.summary.value.add(tag="_hparams_/session_start_info")
    start.metadata.plugin_data.plugin_name = "hparams"
    start.metadata.plugin_data.content = hparams.SerializeToString(deterministic=True)
    record(out, event)
    for step, values in (
        (0, [("loss", 0.1), ("epoch", 0)]),
        (1, [("loss", float("nan")), ("größe/a", float("inf")), ("epoch", 0)]),
        (300, [("val_loss", 0), ("epoch", 2)]),
        (1 << 40, [("epoch", -1.5), ("acc", 1e-50)]),
        (7, [("acc", 1), ("epoch", 3)]),
        (8, [("acc", 1)]),
    ):
        event = Event(step=step)
        for tag, value in values:
            event.summary.value.add(tag=tag, simple_value=value)
        record(out, event)
