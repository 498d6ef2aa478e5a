// SPDX-License-Identifier: MIT
/*
 * paraclock._hot: what a program does at every turn - read a clock, ask whether
 * there was a disruption - and the sample that a read returns.
 *
 * cffi needs some 20 times as long for that: it makes an object, converts
 * arguments and releases the GIL. Here the GIL is held during
 * a read of memory, which takes some 20 ns. So no other thread can close the
 * clock meanwhile. A read that makes system calls releases the GIL, and holds
 * the clock by a reference.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <paraclock/paraclock.h>

/* --- samples -------------------------------------------------------------- */

struct sample {
	PyObject_HEAD struct paraclock_sample c;
};

/* paraclock.Sample, the only class of samples; set once, by its module. */
static PyTypeObject *sample_class;

static struct sample *new_sample(void)
{
	if (!sample_class) {
		PyErr_SetString(PyExc_SystemError, "no class of samples");
		return NULL;
	}
	return (struct sample *)sample_class->tp_alloc(sample_class, 0);
}

static PyObject *known(uint64_t error_ns)
{
	if (error_ns == PARACLOCK_ERROR_UNKNOWN)
		Py_RETURN_NONE;
	return PyLong_FromUnsignedLongLong(error_ns);
}

static PyObject *get_pair_error_ns(PyObject *self, void *closure)
{
	(void)closure;
	return known(((struct sample *)self)->c.pair_error_ns);
}

static PyObject *get_clock_error_ns(PyObject *self, void *closure)
{
	(void)closure;
	return known(((struct sample *)self)->c.clock_error_ns);
}

static PyObject *get_tai_offset_sec(PyObject *self, void *closure)
{
	const struct sample *sample = (struct sample *)self;

	(void)closure;
	if (!(sample->c.flags & PARACLOCK_FLAG_TAI_OFFSET))
		Py_RETURN_NONE;
	return PyLong_FromLong(sample->c.tai_offset_sec);
}

static PyObject *get_valid(PyObject *self, void *closure)
{
	(void)closure;
	return PyBool_FromLong(((struct sample *)self)->c.valid);
}

static PyGetSetDef sample_getset[] = {
	{ "valid", get_valid, NULL,
	  "Fit for correlation; otherwise reason says why not.", NULL },
	{ "pair_error_ns", get_pair_error_ns, NULL,
	  "host_ns is within this of the host clock's reading at host_tsc, ns; "
	  "0: captured atomically. None: unknown.",
	  NULL },
	{ "clock_error_ns", get_clock_error_ns, NULL,
	  "The host clock is within this of its timescale, ns: the host's own "
	  "bound. None: no bound is known.",
	  NULL },
	{ "tai_offset_sec", get_tai_offset_sec, NULL,
	  "TAI - UTC at the sample's instant, s. None: unknown.", NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

#define MEMBER(name, type, member, doc)                                    \
	{                                                                  \
		name, type,                                                \
			offsetof(struct sample, c) +                       \
				offsetof(struct paraclock_sample, member), \
			READONLY, doc                                      \
	}

static PyMemberDef sample_members[] = {
	MEMBER("host_ns", T_LONGLONG, host_ns,
	       "Host clock, ns since the start of timescale."),
	MEMBER("host_tsc", T_ULONGLONG, host_tsc,
	       "Value of counter that host_ns belongs to, ticks."),
	MEMBER("epoch", T_ULONGLONG, epoch,
	       "The clock's count of the disruptions that it noticed: if two "
	       "samples of one clock differ in it, a disruption lies between "
	       "them."),
	MEMBER("_reason", T_UBYTE, reason, NULL),
	MEMBER("_timescale", T_UBYTE, timescale, NULL),
	MEMBER("_counter", T_UBYTE, counter, NULL),
	MEMBER("_leap", T_UBYTE, leap, NULL),
	MEMBER("_marker_class", T_UBYTE, marker_class, NULL),
	MEMBER("_flags", T_UINT, flags, NULL),
	{ NULL, 0, 0, 0, NULL },
};

static PyObject *sample_from_bytes(PyObject *module, PyObject *arg)
{
	struct sample *sample = NULL;
	Py_buffer view;

	(void)module;
	if (PyObject_GetBuffer(arg, &view, PyBUF_SIMPLE))
		return NULL;
	if (view.len == sizeof(sample->c))
		sample = new_sample();
	else
		PyErr_SetString(PyExc_ValueError, "not a sample");
	if (sample)
		memcpy(&sample->c, view.buf, sizeof(sample->c));
	PyBuffer_Release(&view);
	return (PyObject *)sample;
}

static int sample_get_buffer(PyObject *self, Py_buffer *view, int flags)
{
	struct sample *sample = (struct sample *)self;

	return PyBuffer_FillInfo(view, self, &sample->c, sizeof(sample->c), 1,
				 flags);
}

static PyBufferProcs sample_buffer = {
	.bf_getbuffer = sample_get_buffer,
};

static void free_object(PyObject *self)
{
	Py_TYPE(self)->tp_free(self);
}

static PyTypeObject sample_type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "paraclock._hot.SampleBase",
	.tp_basicsize = sizeof(struct sample),
	.tp_dealloc = free_object,
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
	.tp_as_buffer = &sample_buffer,
	.tp_members = sample_members,
	.tp_getset = sample_getset,
};

static PyObject *set_sample_class(PyObject *module, PyObject *arg)
{
	(void)module;
	if (!PyType_Check(arg) ||
	    !PyType_IsSubtype((PyTypeObject *)arg, &sample_type)) {
		PyErr_SetString(PyExc_TypeError, "not a class of samples");
		return NULL;
	}
	Py_INCREF(arg);
	Py_XSETREF(sample_class, (PyTypeObject *)arg);
	Py_RETURN_NONE;
}

/* --- clocks --------------------------------------------------------------- */

struct clock_base {
	PyObject_HEAD
		/* NULL: closed, which the library refuses with -EINVAL. */
		const struct paraclock *clk;
	/* cffi's object, which closes clk when it is freed. */
	PyObject *owner;
	/* Its reads may make system calls. */
	int may_block;
};

/* Evaluate @p expr, which reads self->clk. */
#define CALL(self, result, expr)                                 \
	do {                                                     \
		if ((self)->may_block) {                         \
			PyObject *owner = (self)->owner;         \
                                                                 \
			Py_XINCREF(owner);                       \
			Py_BEGIN_ALLOW_THREADS(result) = (expr); \
			Py_END_ALLOW_THREADS Py_XDECREF(owner);  \
		} else {                                         \
			(result) = (expr);                       \
		}                                                \
	} while (0)

/* Let Python raise what @p ret means. */
static PyObject *fail(struct clock_base *self, int ret)
{
	PyObject *result =
		PyObject_CallMethod((PyObject *)self, "_raise", "i", ret);

	if (result) {
		Py_DECREF(result);
		PyErr_SetString(PyExc_SystemError, "nothing was raised");
	}
	return NULL;
}

static PyObject *clock_read(PyObject *arg, PyObject *ignored)
{
	struct clock_base *self = (struct clock_base *)arg;
	const struct paraclock *clk = self->clk;
	struct sample *sample = new_sample();
	int ret;

	(void)ignored;
	if (!sample)
		return NULL;
	CALL(self, ret, paraclock_read(clk, &sample->c));
	if (!ret)
		return (PyObject *)sample;
	Py_DECREF(sample);
	return fail(self, ret);
}

static PyObject *clock_read_at(PyObject *arg, PyObject *value)
{
	struct clock_base *self = (struct clock_base *)arg;
	const unsigned long long counter = PyLong_AsUnsignedLongLong(value);
	const struct paraclock *clk = self->clk;
	struct sample *sample;
	int ret;

	if (counter == (unsigned long long)-1 && PyErr_Occurred())
		return NULL;
	sample = new_sample();
	if (!sample)
		return NULL;
	CALL(self, ret, paraclock_read_at(clk, counter, &sample->c));
	if (!ret)
		return (PyObject *)sample;
	Py_DECREF(sample);
	return fail(self, ret);
}

static PyObject *clock_disrupted(PyObject *arg, PyObject *value)
{
	struct clock_base *self = (struct clock_base *)arg;
	const unsigned long long epoch = PyLong_AsUnsignedLongLong(value);
	const struct paraclock *clk = self->clk;
	int ret;

	if (epoch == (unsigned long long)-1 && PyErr_Occurred())
		return NULL;
	CALL(self, ret, paraclock_disrupted(clk, epoch));
	return ret < 0 ? fail(self, ret) : PyBool_FromLong(ret);
}

static PyObject *clock_attach(PyObject *arg, PyObject *args)
{
	struct clock_base *self = (struct clock_base *)arg;
	unsigned long long address;
	PyObject *owner;
	int may_block;

	if (!PyArg_ParseTuple(args, "KOp", &address, &owner, &may_block))
		return NULL;
	if (self->owner) {
		PyErr_SetString(PyExc_SystemError, "the clock is open");
		return NULL;
	}
	Py_INCREF(owner);
	self->owner = owner;
	self->may_block = may_block;
	self->clk = (const struct paraclock *)(uintptr_t)address;
	Py_RETURN_NONE;
}

static PyObject *clock_detach(PyObject *arg, PyObject *ignored)
{
	struct clock_base *self = (struct clock_base *)arg;

	(void)ignored;
	/* Before its owner goes. */
	self->clk = NULL;
	Py_CLEAR(self->owner);
	Py_RETURN_NONE;
}

static void clock_free(PyObject *arg)
{
	struct clock_base *self = (struct clock_base *)arg;

	self->clk = NULL;
	Py_CLEAR(self->owner);
	Py_TYPE(arg)->tp_free(arg);
}

static PyMethodDef clock_methods[] = {
	{ "read", clock_read, METH_NOARGS,
	  "read($self, /)\n--\n\n"
	  "Read the host clock now. Look at valid before you use the sample.\n"
	  "\n"
	  "Raises AgainError, MalformedError, AbsentError, and so on, if there "
	  "is\nno answer at all." },
	{ "read_at", clock_read_at, METH_O,
	  "read_at($self, counter, /)\n--\n\n"
	  "What the host clock said at a value that counter() returned, ticks."
	  "\n\n"
	  "Keep the epoch with each value, and use the answer only if its "
	  "epoch "
	  "is\nthe same. Raises ArgumentError if the value is later than now, "
	  "and\nUnsupportedError if this source only knows the present." },
	{ "disrupted", clock_disrupted, METH_O,
	  "disrupted($self, epoch, /)\n--\n\n"
	  "Was there a disruption since that epoch? The marker_class of the\n"
	  "clock's samples says what a False promises.\n\n"
	  "Raises AgainError and other errors if that is not known now: treat "
	  "it\nas True." },
	{ "_attach", clock_attach, METH_VARARGS, NULL },
	{ "_detach", clock_detach, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyTypeObject clock_type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "paraclock._hot.ClockBase",
	.tp_basicsize = sizeof(struct clock_base),
	.tp_dealloc = clock_free,
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
	.tp_methods = clock_methods,
	.tp_new = PyType_GenericNew,
};

static PyObject *read_counter(PyObject *module, PyObject *ignored)
{
	(void)module;
	(void)ignored;
	return PyLong_FromUnsignedLongLong(paraclock_counter(NULL));
}

/* --- the module ----------------------------------------------------------- */

static PyMethodDef functions[] = {
	{ "read_counter", read_counter, METH_NOARGS, NULL },
	{ "sample_from_bytes", sample_from_bytes, METH_O, NULL },
	{ "set_sample_class", set_sample_class, METH_O, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyModuleDef module_def = {
	PyModuleDef_HEAD_INIT,
	.m_name = "paraclock._hot",
	.m_size = -1,
	.m_methods = functions,
};

PyMODINIT_FUNC PyInit__hot(void)
{
	PyObject *module;

	if (PyType_Ready(&sample_type) || PyType_Ready(&clock_type))
		return NULL;
	module = PyModule_Create(&module_def);
	if (!module)
		return NULL;
	if (PyModule_AddObjectRef(module, "SampleBase",
				  (PyObject *)&sample_type) ||
	    PyModule_AddObjectRef(module, "ClockBase",
				  (PyObject *)&clock_type)) {
		Py_DECREF(module);
		return NULL;
	}
	return module;
}
