/*
 * What lives here: a list of freed objects of one type, to be used again: a handle is made and
 * freed for every callback. Each native module that includes this keeps those of one type.
 * What it must not know: what the objects are. Their type takes no part in garbage collection.
 */
#ifndef TETHER_ENGINE_FREELIST_H
#define TETHER_ENGINE_FREELIST_H

#include <Python.h>
#include <string.h>

enum { TETHER_MOST_FREED = 256 };

static PyTypeObject *tether_kept_type;
static PyObject *tether_freed[TETHER_MOST_FREED];
static int tether_freed_count;

static PyObject *tether_alloc(PyTypeObject *type, Py_ssize_t items) {
    PyObject *object;
    if (type != tether_kept_type || tether_freed_count == 0)
        return PyType_GenericAlloc(type, items);
    object = tether_freed[--tether_freed_count];
    memset((char *)object + sizeof(PyObject), 0, (size_t)type->tp_basicsize - sizeof(PyObject));
    return PyObject_Init(object, type);
}

static void tether_free(void *object) {
    PyTypeObject *type = Py_TYPE((PyObject *)object);
    if (type == tether_kept_type && tether_freed_count < TETHER_MOST_FREED)
        tether_freed[tether_freed_count++] = (PyObject *)object;
    else if (PyType_IS_GC(type)) /* somebody's class in Python */
        PyObject_GC_Del(object);
    else
        PyObject_Free(object);
}

/* To be called before anybody derives from the type: slots are inherited when that happens. */
static void tether_keep_freed(PyTypeObject *type) {
    tether_kept_type = type;
    type->tp_alloc = tether_alloc;
    type->tp_free = tether_free;
    PyType_Modified(type);
}

#endif
