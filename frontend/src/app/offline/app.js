/* What app.js lends (lending.js): these files are a script of their own, and what listens there is to listen once. */

export const { addKept, asServerTime, askReason, element, fill, focusFirstError, metaValue, startPlaces, text, toast } = window.Wsapp;
