/*
 * What lives here: how a native type shows the garbage collector what its C arrays refer to.
 * Cython writes these two functions for Python attributes only; they are put in place of its own.
 * What it must not know: which types.
 */
#ifndef TETHER_ENGINE_COLLECTING_H
#define TETHER_ENGINE_COLLECTING_H

#include <Python.h>

/* The type must have an attribute of its own, so that its objects are known to the collector. */
static void tether_set_collecting(PyTypeObject *type, traverseproc traverse, inquiry clear) {
    type->tp_traverse = traverse;
    type->tp_clear = clear;
    PyType_Modified(type);
}

#endif
