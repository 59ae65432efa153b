"""Models with local functions: functions.py FOLDER."""
import os
import sys

from onnx import helper as h

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
opsets = [h.make_opsetid("", 20), h.make_opsetid("test", 1)]


def save(name, nodes, functions):
    values = [h.make_tensor_value_info(n, 1, [4]) for n in "xy"]
    graph = h.make_graph(nodes, "g", values[:1], values[1:])
    model = h.make_model(graph, opset_imports=opsets, ir_version=10, functions=functions)
    open(os.path.join(folder, name), "wb").write(model.SerializeToString())


def scoped(node, path):
    node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value="['', '%s', 'node']" % path)
    return node


leaky = h.make_node("LeakyRelu", ["n"], ["r"])
attribute = leaky.attribute.add(name="alpha", type=1, ref_attr_name="slope")
body = [h.make_node("Neg", ["a"], ["n"]), scoped(leaky, "layers.3.inner"), h.make_node("G", ["r"], ["b"], domain="test")]
good = h.make_function("test", "F", ["a"], ["b"], body, opsets, attributes=["slope"], overload="float")
wrong = h.make_function("test", "F", ["a"], ["b"], [h.make_node("NoSuchOperator", ["a"], ["b"])], opsets, overload="int")
inner = h.make_function("test", "G", ["a"], ["b"], [h.make_node("Add", ["a", "a"], ["b"])], opsets)
call = scoped(h.make_node("F", ["x"], ["y"], domain="test", overload="float", slope=0.25), "layers.3.mlp.down")
save("good.onnx", [call], [good, wrong, inner])

endless = h.make_function("test", "F", ["a"], ["b"], [h.make_node("F", ["a"], ["b"], domain="test")], opsets)
save("endless.onnx", [h.make_node("F", ["x"], ["y"], domain="test", name="y")], [endless])
