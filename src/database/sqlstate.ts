/**
 * PostgreSQL's condition names as class names (appendix "PostgreSQL Error Codes"): one line a class of conditions, each entry the
 * last three characters of the SQLSTATE and the name. Kept as text because it is looked up only when something fails.
 */
const conditions: Record<string, string> = {
  "00": "000 SuccessfulCompletion",
  "01": "000 Warning 00C DynamicResultSetsReturned 008 ImplicitZeroBitPadding 003 NullValueEliminatedInSetFunction 007 PrivilegeNotGranted 006 PrivilegeNotRevoked 004 StringDataRightTruncation P01 DeprecatedFeature",
  "02": "000 NoData 001 NoAdditionalDynamicResultSetsReturned",
  "03": "000 SqlStatementNotYetComplete",
  "08": "000 ConnectionException 003 ConnectionDoesNotExist 006 ConnectionFailure 001 SqlclientUnableToEstablishSqlconnection 004 SqlserverRejectedEstablishmentOfSqlconnection 007 TransactionResolutionUnknown P01 ProtocolViolation",
  "09": "000 TriggeredActionException",
  "0A": "000 FeatureNotSupported",
  "0B": "000 InvalidTransactionInitiation",
  "0F": "000 LocatorException 001 InvalidLocatorSpecification",
  "0L": "000 InvalidGrantor P01 InvalidGrantOperation",
  "0P": "000 InvalidRoleSpecification",
  "0Z": "000 DiagnosticsException 002 StackedDiagnosticsAccessedWithoutActiveHandler",
  "10": "608 InvalidArgumentForXquery",
  "20": "000 CaseNotFound",
  "21": "000 CardinalityViolation",
  "22": "000 DataException 02E ArrayElementError 021 CharacterNotInRepertoire 008 DatetimeFieldOverflow 012 DivisionByZero 005 ErrorInAssignment 00B EscapeCharacterConflict 022 IndicatorOverflow 015 IntervalFieldOverflow 01E InvalidArgumentForLogarithm 014 InvalidArgumentForNtileFunction 016 InvalidArgumentForNthValueFunction 01F InvalidArgumentForPowerFunction 01G InvalidArgumentForWidthBucketFunction 018 InvalidCharacterValueForCast 007 InvalidDatetimeFormat 019 InvalidEscapeCharacter 00D InvalidEscapeOctet 025 InvalidEscapeSequence P06 NonstandardUseOfEscapeCharacter 010 InvalidIndicatorParameterValue 023 InvalidParameterValue 013 InvalidPrecedingOrFollowingSize 01B InvalidRegularExpression 01W InvalidRowCountInLimitClause 01X InvalidRowCountInResultOffsetClause 02H InvalidTablesampleArgument 02G InvalidTablesampleRepeat 009 InvalidTimeZoneDisplacementValue 00C InvalidUseOfEscapeCharacter 00G MostSpecificTypeMismatch 004 NullValueNotAllowed 002 NullValueNoIndicatorParameter 003 NumericValueOutOfRange 00H SequenceGeneratorLimitExceeded 026 StringDataLengthMismatch 001 StringDataRightTruncation 011 SubstringError 027 TrimError 024 UnterminatedCString 00F ZeroLengthCharacterString P01 FloatingPointException P02 InvalidTextRepresentation P03 InvalidBinaryRepresentation P04 BadCopyFileFormat P05 UntranslatableCharacter 00L NotAnXmlDocument 00M InvalidXmlDocument 00N InvalidXmlContent 00S InvalidXmlComment 00T InvalidXmlProcessingInstruction 030 DuplicateJsonObjectKeyValue 031 InvalidArgumentForSqlJsonDatetimeFunction 032 InvalidJsonText 033 InvalidSqlJsonSubscript 034 MoreThanOneSqlJsonItem 035 NoSqlJsonItem 036 NonNumericSqlJsonItem 037 NonUniqueKeysInAJsonObject 038 SingletonSqlJsonItemRequired 039 SqlJsonArrayNotFound 03A SqlJsonMemberNotFound 03B SqlJsonNumberNotFound 03C SqlJsonObjectNotFound 03D TooManyJsonArrayElements 03E TooManyJsonObjectMembers 03F SqlJsonScalarRequired 03G SqlJsonItemCannotBeCastToTargetType",
  "23": "000 IntegrityConstraintViolation 001 RestrictViolation 502 NotNullViolation 503 ForeignKeyViolation 505 UniqueViolation 514 CheckViolation P01 ExclusionViolation",
  "24": "000 InvalidCursorState",
  "25": "000 InvalidTransactionState 001 ActiveSqlTransaction 002 BranchTransactionAlreadyActive 008 HeldCursorRequiresSameIsolationLevel 003 InappropriateAccessModeForBranchTransaction 004 InappropriateIsolationLevelForBranchTransaction 005 NoActiveSqlTransactionForBranchTransaction 006 ReadOnlySqlTransaction 007 SchemaAndDataStatementMixingNotSupported P01 NoActiveSqlTransaction P02 InFailedSqlTransaction P03 IdleInTransactionSessionTimeout P04 TransactionTimeout",
  "26": "000 InvalidSqlStatementName",
  "27": "000 TriggeredDataChangeViolation",
  "28": "000 InvalidAuthorizationSpecification P01 InvalidPassword",
  "2B": "000 DependentPrivilegeDescriptorsStillExist P01 DependentObjectsStillExist",
  "2D": "000 InvalidTransactionTermination",
  "2F": "000 SqlRoutineException 005 FunctionExecutedNoReturnStatement 002 ModifyingSqlDataNotPermitted 003 ProhibitedSqlStatementAttempted 004 ReadingSqlDataNotPermitted",
  "34": "000 InvalidCursorName",
  "38": "000 ExternalRoutineException 001 ContainingSqlNotPermitted 002 ModifyingSqlDataNotPermitted 003 ProhibitedSqlStatementAttempted 004 ReadingSqlDataNotPermitted",
  "39": "000 ExternalRoutineInvocationException 001 InvalidSqlstateReturned 004 NullValueNotAllowed P01 TriggerProtocolViolated P02 SrfProtocolViolated P03 EventTriggerProtocolViolated",
  "3B": "000 SavepointException 001 InvalidSavepointSpecification",
  "3D": "000 InvalidCatalogName",
  "3F": "000 InvalidSchemaName",
  "40": "000 TransactionRollback 002 TransactionIntegrityConstraintViolation 001 SerializationFailure 003 StatementCompletionUnknown P01 DeadlockDetected",
  "42": "000 SyntaxErrorOrAccessRuleViolation 601 SyntaxError 501 InsufficientPrivilege 846 CannotCoerce 803 GroupingError P20 WindowingError P19 InvalidRecursion 830 InvalidForeignKey 602 InvalidName 622 NameTooLong 939 ReservedName 804 DatatypeMismatch P18 IndeterminateDatatype P21 CollationMismatch P22 IndeterminateCollation 809 WrongObjectType 8C9 GeneratedAlways 703 UndefinedColumn 883 UndefinedFunction P01 UndefinedTable P02 UndefinedParameter 704 UndefinedObject 701 DuplicateColumn P03 DuplicateCursor P04 DuplicateDatabase 723 DuplicateFunction P05 DuplicatePreparedStatement P06 DuplicateSchema P07 DuplicateTable 712 DuplicateAlias 710 DuplicateObject 702 AmbiguousColumn 725 AmbiguousFunction P08 AmbiguousParameter P09 AmbiguousAlias P10 InvalidColumnReference 611 InvalidColumnDefinition P11 InvalidCursorDefinition P12 InvalidDatabaseDefinition P13 InvalidFunctionDefinition P14 InvalidPreparedStatementDefinition P15 InvalidSchemaDefinition P16 InvalidTableDefinition P17 InvalidObjectDefinition",
  "44": "000 WithCheckOptionViolation",
  "53": "000 InsufficientResources 100 DiskFull 200 OutOfMemory 300 TooManyConnections 400 ConfigurationLimitExceeded",
  "54": "000 ProgramLimitExceeded 001 StatementTooComplex 011 TooManyColumns 023 TooManyArguments",
  "55": "000 ObjectNotInPrerequisiteState 006 ObjectInUse P02 CantChangeRuntimeParam P03 LockNotAvailable P04 UnsafeNewEnumValueUsage",
  "57": "000 OperatorIntervention 014 QueryCanceled P01 AdminShutdown P02 CrashShutdown P03 CannotConnectNow P04 DatabaseDropped P05 IdleSessionTimeout",
  "58": "000 SystemError 030 IoError P01 UndefinedFile P02 DuplicateFile P03 FileNameTooLong",
  F0: "000 ConfigFileError 001 LockFileExists",
  HV: "000 FdwError 005 FdwColumnNameNotFound 002 FdwDynamicParameterValueNeeded 010 FdwFunctionSequenceError 021 FdwInconsistentDescriptorInformation 024 FdwInvalidAttributeValue 007 FdwInvalidColumnName 008 FdwInvalidColumnNumber 004 FdwInvalidDataType 006 FdwInvalidDataTypeDescriptors 091 FdwInvalidDescriptorFieldIdentifier 00B FdwInvalidHandle 00C FdwInvalidOptionIndex 00D FdwInvalidOptionName 090 FdwInvalidStringLengthOrBufferLength 00A FdwInvalidStringFormat 009 FdwInvalidUseOfNullPointer 014 FdwTooManyHandles 001 FdwOutOfMemory 00P FdwNoSchemas 00J FdwOptionNameNotFound 00K FdwReplyHandle 00Q FdwSchemaNotFound 00R FdwTableNotFound 00L FdwUnableToCreateExecution 00M FdwUnableToCreateReply 00N FdwUnableToEstablishConnection",
  P0: "000 PlpgsqlError 001 RaiseException 002 NoDataFound 003 TooManyRows 004 AssertFailure",
  XX: "000 InternalError 001 DataCorrupted 002 IndexCorrupted",
}

/** The class of a SQLSTATE, such as "UniqueViolation" for 23505; null for a code that PostgreSQL does not list. */
export function sqlClassOf(sqlState: string): string | null {
  const words = conditions[sqlState.slice(0, 2)]?.split(" ") ?? []
  const at = words.indexOf(sqlState.slice(2))
  return at === -1 ? null : (words[at + 1] ?? null)
}
